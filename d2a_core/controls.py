"""Stage `controls`: named sliders of a face, each a step in W+ that leaves what the others do as it is.

The paper drives faces by landmarks alone; its directions can be steered as well. The faces of the stage
`pairs` tell how each attribute answers to a step in each layer (`answers`), which gives for every control the
shortest step that changes its own attribute and none of the others. What these do is measured on rendered
faces and corrected. What a control does at which strength is then measured on faces that were not used, which
gives its scale, its range, and the table of purity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from d2a_core import manifold
from d2a_core.faces import geometry
from d2a_core.faces.landmarks import Detections, LandmarkDetector
from d2a_core.faces.schemes import scheme_of
from d2a_core.generator import rendering, seeds
from d2a_core.generator.generator import Generator, broadcast
from d2a_core.manifold import Manifold
from d2a_core.media.sheets import grid

MEASURED = np.linspace(-1, 1, 9)  # strengths at which a control is measured, as shares of its reach
LEAST_FOUND = 0.9  # share of faces that must still be found at the ends of a range
LEAST_SPAN = 0.5  # of a range, in the unit of the control, below which it is none
LEAST_RISE = 0.1  # of the slope at rest, below which a control has reached its end
STORED = ("vector", "strength", "response")


@dataclass(frozen=True)
class Control:
    """A slider: what it is called and moves, in `unit`, between `low` and `high`."""

    name: str
    label: str
    unit: str
    low: float
    high: float


@dataclass(frozen=True)
class Kind:
    """A control before it is measured: its attribute, with `sign`, its unit, and how far it is tried."""

    name: str
    label: str
    attribute: str
    sign: float
    unit: str
    reach: float


DEGREES, DEVIATIONS = "°", "s.d."
WEIGHTS = {DEGREES: 0.1, DEVIATIONS: 1.0}  # what an error of one unit counts
KINDS = (
    Kind("yaw", "Turn right", "yaw", 1, DEGREES, 40),
    Kind("pitch", "Look up", "pitch", 1, DEGREES, 25),
    Kind("mouth_open", "Mouth open", "mouth_opening", 1, DEVIATIONS, 4),
    Kind("smile", "Smile", "smile", 1, DEVIATIONS, 3),
    Kind("eyes_closed", "Eyes closed", "eye_opening", -1, DEVIATIONS, 5),
    Kind("brows_up", "Brows up", "brow_height", 1, DEVIATIONS, 3),
    Kind("gaze_x", "Gaze right", "gaze_x", 1, DEVIATIONS, 3),
    Kind("gaze_y", "Gaze down", "gaze_y", 1, DEVIATIONS, 3),
)


@dataclass(frozen=True)
class Options:
    """Config section `controls`."""

    faces: int
    truncation: float
    length_ridge: float
    longest: float
    rounds: int
    seed: int


def kinds(store: Mapping[str, NDArray]) -> list[Kind]:
    """Controls whose attribute varies over the samples; a scheme without pupils has no gaze."""
    return [kind for kind in KINDS if store["deviation"][geometry.ATTRIBUTES.index(kind.attribute)] > 0]


def faces(generator: Generator, options: Options) -> tuple[Tensor, Tensor]:
    """Two sets of faces, each W+ [faces, K, D], to build the controls on and to measure them."""
    z = seeds.normal("controls", options.seed, range(2 * options.faces), generator.z_dim)
    with torch.no_grad():
        w = generator.map(torch.from_numpy(z)).cpu()
    mean = generator.mean_w.cpu()
    wplus = broadcast(mean + options.truncation * (w - mean), generator.num_layers)
    return wplus[: options.faces], wplus[options.faces :]


@dataclass(frozen=True)
class Studio:
    """What renders and looks: drafts of `size` px, steps kept inside the `ball` of the latents."""

    generator: Generator
    detector: LandmarkDetector
    ball: Manifold
    size: int

    def attributes(self, wplus: Tensor, delta: Tensor, progress=None) -> NDArray[np.float64]:
        """Attributes [N, A] of drafts of w + Δw, `wplus` [N, K, D], `delta` [N, L, D]; NaN without a face."""
        kept = self.ball.renorm(delta, wplus)
        looks = {"size": self.size, "progress": progress}
        seen = rendering.detect(self.generator, self.detector, wplus, kept, **looks)
        return attributes(seen)


def attributes(seen: Detections) -> NDArray[np.float64]:
    """Attributes [N, A] of detected faces, in the order of `directions.ATTRIBUTES`; NaN without a face."""
    scheme = scheme_of(seen.points.shape[1])
    found = geometry.attributes(seen.points, seen.canonical, seen.angles, scheme)
    values = np.stack([found[name] for name in geometry.ATTRIBUTES], axis=1).astype(np.float64)
    return np.where(seen.found[:, None], values, np.nan)


def responses(
    studio: Studio, wplus: Tensor, steps: NDArray, rest: NDArray, progress=None
) -> NDArray[np.float64]:
    """Change [S, F, A] of the attributes of faces [F, K, D] by each of the `steps` [S, L, D].

    `rest` [F, A] are the attributes of the faces as they are.
    """
    changes = []
    for step in torch.from_numpy(steps).float():
        moved = studio.attributes(wplus, step.expand(len(wplus), -1, -1), progress)
        changes.append(moved - rest)
    return np.stack(changes)


def renders(store: Mapping[str, NDArray], options: Options) -> int:
    """Drafts that `build` and `measure` look at."""
    count = len(kinds(store))
    return options.faces * (2 * count * options.rounds + 1 + count * (len(MEASURED) - 1) + 1)


def build(
    studio: Studio,
    store: Mapping[str, NDArray],
    slope: NDArray,
    wplus: Tensor,
    options: Options,
    progress=None,
) -> NDArray[np.float32]:
    """The controls [C, L, D], one deviation long each, made on faces [F, K, D].

    `slope` [A, L, D] of `answers.learn` gives, for each, the shortest step that changes its attribute and
    none of the others. What that does to rendered faces is measured `rounds` times, and the steps are mixed
    by the inverse of what they do to one another. Tilt has no control: alignment leaves none.
    """
    wanted = kinds(store)
    vector = shortest(_own(wanted, slope), ridge=options.length_ridge)
    rest = studio.attributes(wplus, torch.zeros(len(wplus), *vector.shape[1:]), progress)
    scales = store["deviation"][:, None]
    for _ in range(options.rounds):
        effect = _slopes(studio, wplus, vector, rest, progress)
        own = _own(
            wanted, effect.T / np.where(scales > 0, scales, 1)
        )  # of a control, what each step does to it
        vector = np.einsum("cb,bld->cld", mix(own, vector, ridge=options.length_ridge), vector)
    return vector.astype(np.float32)


def _own(wanted: Sequence[Kind], values: NDArray) -> NDArray[np.float64]:
    """Of values [A, ...] of all attributes those of the controls, with their sign: [C, ...]."""
    columns = [geometry.ATTRIBUTES.index(kind.attribute) for kind in wanted]
    signs = np.array([kind.sign for kind in wanted]).reshape(-1, *[1] * (values.ndim - 1))
    return signs * values[columns].astype(np.float64)


def shortest(slope: NDArray, *, ridge: float) -> NDArray[np.float64]:
    """Steps [C, L, D] that each raise one of the measures with `slope` [C, L, D] by 1 and leave the others.

    Of all such steps the shortest; with a `ridge` above 0, shorter ones that do it less well.
    """
    flat = slope.reshape(len(slope), -1)
    gram = flat @ flat.T
    gram += (ridge + 1e-9) * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram, flat).reshape(slope.shape)


def mix(effect: NDArray, vector: NDArray, *, ridge: float) -> NDArray[np.float64]:
    """Coefficients [C, C] of steps whose sums each change one measure by 1 and leave the others.

    `effect` [C, C] is what each step (column) does to each measure (row). The ridge weighs the length of the
    sums of `vector` [C, L, D].
    """
    flat = vector.reshape(len(vector), -1).astype(np.float64)
    gram, lengths = effect.T @ effect, flat @ flat.T
    penalty = ridge * np.trace(gram) / np.trace(lengths) * lengths
    penalty += 1e-9 * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram + penalty, effect.T).T


def _slopes(studio: Studio, wplus: Tensor, steps: NDArray, rest: NDArray, progress) -> NDArray[np.float64]:
    """Change [S, A] of the attributes for each whole step, from the middle of faces moved forth and back."""
    forth, back = (responses(studio, wplus, sign * steps, rest, progress) for sign in (1, -1))
    return np.nan_to_num(np.nanmean((forth - back) / 2, axis=1))


@dataclass(frozen=True)
class Measured:
    """Controls with their scale: `vector` [C, L, D], and at `strength` [C, S] the `response` [C, S, A].

    Responses are medians over faces in the attributes' units; `found` [C, S] is the share of faces seen.
    """

    kinds: Sequence[Kind]
    vector: NDArray[np.float32]
    strength: NDArray[np.float32]
    response: NDArray[np.float32]
    found: NDArray[np.float32]
    deviation: NDArray[np.float32]


def measure(
    studio: Studio,
    store: Mapping[str, NDArray],
    vector: NDArray,
    wplus: Tensor,
    options: Options,
    progress=None,
) -> Measured:
    """What each control [C, L, D] does to other faces [F, K, D] at nine strengths.

    No layer goes further than the share `longest` of what the ball of the latents allows: a sum of random
    directions may go that far, a single one breaks faces before.
    """
    wanted, deviation = kinds(store), store["deviation"]
    rest = studio.attributes(wplus, torch.zeros(len(wplus), *vector.shape[1:]), progress)
    most = options.longest * studio.ball.reach / np.linalg.norm(vector, axis=2).max(axis=1)
    reach = [
        min(_reach(*pair), limit)
        for *pair, limit in zip(wanted, [deviation] * len(wanted), most, strict=True)
    ]
    strength = np.stack([MEASURED * far for far in reach])
    response = np.zeros((*strength.shape, len(deviation)))
    found = np.ones(strength.shape)
    for number, line in enumerate(strength):
        moving = line != 0
        change = responses(studio, wplus, line[moving, None, None] * vector[number], rest, progress)
        response[number, moving] = np.nanmedian(change, axis=1)
        found[number, moving] = np.isfinite(change[..., 0]).mean(axis=1)
    return Measured(
        wanted, vector, *(part.astype(np.float32) for part in (strength, response, found, deviation))
    )


def _reach(kind: Kind, deviation: NDArray) -> float:
    """How far a control is tried, in deviations."""
    if kind.unit == DEVIATIONS:
        return kind.reach
    return kind.reach / float(deviation[geometry.ATTRIBUTES.index(kind.attribute)])


def own_response(measured: Measured, number: int) -> NDArray[np.float64]:
    """What a control does to its own attribute [S], in its unit."""
    return _in_unit(measured, number, measured.response[number])


def _in_unit(measured: Measured, number: int, change: NDArray) -> NDArray[np.float64]:
    """A change [..., A] of the attributes as that of the own one of a control, in its unit: [...]."""
    kind = measured.kinds[number]
    column = geometry.ATTRIBUTES.index(kind.attribute)
    scale = 1.0 if kind.unit == DEGREES else float(measured.deviation[column])
    return kind.sign * np.asarray(change[..., column], np.float64) / scale


def scale(measured: Measured, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strengths and responses between which a control rises and faces are found, through no motion.

    From rest outwards, a range ends before the response rises by less than `LEAST_RISE` of its slope at rest,
    or fewer than `LEAST_FOUND` of the faces are found.
    """
    strength, response = measured.strength[number], own_response(measured, number)
    middle = len(strength) // 2
    slope = (response[middle + 1] - response[middle - 1]) / (strength[middle + 1] - strength[middle - 1])
    rise = np.diff(response) / np.diff(strength) > LEAST_RISE * max(float(slope), 1e-9)
    seen = measured.found[number] >= LEAST_FOUND
    first, last = middle, middle
    while last + 1 < len(strength) and rise[last] and seen[last + 1]:
        last += 1
    while first > 0 and rise[first - 1] and seen[first - 1]:
        first -= 1
    return strength[first : last + 1].astype(np.float64), response[first : last + 1]


class Controls:
    """Measured controls, ready to move faces inside the `ball` of the latents; idle ones are left out."""

    def __init__(self, measured: Measured, ball: Manifold) -> None:
        self.measured, self.ball = measured, ball
        scales = [scale(measured, number) for number in range(len(measured.kinds))]
        self._scales = {
            kind.name: (number, *scales[number])
            for number, kind in enumerate(measured.kinds)
            if np.ptp(scales[number][1]) > LEAST_SPAN
        }
        self.all = tuple(
            Control(name, measured.kinds[number].label, measured.kinds[number].unit, *_ends(value))
            for name, (number, _, value) in self._scales.items()
        )

    def number(self, name: str) -> int:
        """Place of a control among the measured ones."""
        return self._scales[name][0]

    def clamped(self, values: Mapping[str, float]) -> tuple[dict[str, float], list[str]]:
        """Values within the ranges, and a sentence on each that was not; ValueError for an unknown name."""
        known = {control.name: control for control in self.all}
        kept, notes = {}, []
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"there is no control {name!r}; choose one of {', '.join(known)}")
            control = known[name]
            kept[name] = float(np.clip(value, control.low, control.high))
            if kept[name] != value:
                notes.append(
                    f"{name} is {value:g} {control.unit}, but it works from {control.low:g} to "
                    f"{control.high:g}; {kept[name]:g} is used"
                )
        return kept, notes

    def delta(self, values: Mapping[str, float], wplus: Tensor) -> Tensor:
        """Δw [1, L, D] for the values of some controls on the face `wplus` [1, K, D]."""
        return self.sum(self.strengths(values), wplus)

    def strengths(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        """Strength of each control of `all` [C] that gives its value on a typical face."""
        amounts = []
        for name, (_, strength, response) in self._scales.items():
            value = np.clip(values.get(name, 0.0), response[0], response[-1])
            amounts.append(float(PchipInterpolator(response, strength)(value)))
        return np.array(amounts)

    def sum(self, strength: NDArray, wplus: Tensor) -> Tensor:
        """Δw [1, L, D] for the strength of each control [C] on the face `wplus` [1, K, D]."""
        return self.ball.renorm(self.steps(strength[None]), wplus)

    def steps(self, strength: NDArray) -> Tensor:
        """What strengths of the controls [N, C] add to Δw, whatever the ball allows: [N, L, D]."""
        return torch.from_numpy(np.einsum("nc,cld->nld", strength, self._vectors)).float()

    def in_units(self, change: NDArray) -> NDArray[np.float64]:
        """A change [..., A] of the attributes in the unit of each control of `all`: [..., C]."""
        columns = [_in_unit(self.measured, number, change) for number, *_ in self._scales.values()]
        return np.stack(columns, axis=-1)

    def problem(self, cost: float) -> dict[str, NDArray[np.float64]]:
        """What `settling.Problem` asks of the controls; a step as long as the ball allows costs `cost`."""
        middle = self.measured.strength.shape[1] // 2
        slopes = []
        for number, *_ in self._scales.values():
            change, length = (
                part[number, middle + 1] - part[number, middle - 1]
                for part in (self.measured.response, self.measured.strength)
            )
            slopes.append(self.in_units(change / length))
        lengths = np.einsum("ald,bld->ab", self._vectors, self._vectors)
        most = self._vectors.shape[1] * self.ball.reach**2
        bound = np.array([(strength[0], strength[-1]) for _, strength, _ in self._scales.values()]).T
        return {"slope": np.stack(slopes, axis=1), "cost": cost * lengths / most, "bound": bound}

    @property
    def _vectors(self) -> NDArray[np.float64]:
        """What a unit of strength of each control adds, [C, L, D]."""
        numbers = [number for number, *_ in self._scales.values()]
        return self.measured.vector[numbers].astype(np.float64)


def _ends(values: NDArray) -> tuple[float, float]:
    """Ends of a range, rounded towards rest so that they lie inside."""
    return float(np.ceil(10 * values[0]) / 10), float(np.floor(10 * values[-1]) / 10)


def arrays(measured: Measured, store: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """What is stored, with the ball of the directions' `store`."""
    own = {name: getattr(measured, name) for name in ("vector", "strength", "response", "found", "deviation")}
    return own | {name: store[name] for name in manifold.STORED}


def from_store(store: Mapping[str, NDArray]) -> Controls:
    """The controls that `arrays` stored."""
    names = ("vector", "strength", "response", "found", "deviation")
    measured = Measured(kinds(store), *(store[name] for name in names))
    return Controls(measured, manifold.from_store(store))


def purity(measured: Measured) -> dict[str, list]:
    """Columns of a table: what each control does to each attribute at every strength, one row each.

    `value` is what it does to its own attribute, in its unit; `change` that to the attribute, in standard
    deviations of the samples; `found` the share of faces that were seen.
    """
    rows = []
    for number, kind in enumerate(measured.kinds):
        own = own_response(measured, number)
        for place, strength in enumerate(measured.strength[number]):
            for column, attribute in enumerate(geometry.ATTRIBUTES):
                if measured.deviation[column] > 0:
                    change = measured.response[number, place, column] / measured.deviation[column]
                    rows.append(
                        (kind.name, kind.unit, float(strength), own[place], attribute, float(change))
                        + (float(measured.found[number, place]),)
                    )
    names = ("control", "unit", "strength", "value", "attribute", "change", "found")
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def markdown(controls: Controls) -> str:
    """Purity for a reader: the slope of every attribute over the middle of each range, in deviations."""
    measured = controls.measured
    pairs = zip(geometry.ATTRIBUTES, measured.deviation, strict=True)
    shown = [name for name, spread in pairs if spread > 0]
    lines = [
        "# Purity of the controls",
        "",
        "Change of each attribute, in standard deviations of the sampled faces, for one of the control's "
        "own, around rest; medians over faces that the controls were not made on.",
        "",
        "| control | range | " + " | ".join(name.replace("_", " ") for name in shown) + " |",
        "| --- " * (len(shown) + 2) + "|",
    ]
    for control in controls.all:
        number, middle = controls.number(control.name), measured.strength.shape[1] // 2
        kind = measured.kinds[number]
        change = measured.response[number, middle + 1] - measured.response[number, middle - 1]
        slopes = change[measured.deviation > 0] / measured.deviation[measured.deviation > 0]
        own = kind.sign * slopes[shown.index(kind.attribute)]
        cells = [f"{slope / own:+.2f}" for slope in slopes]
        scope = f"{control.low:g} to {control.high:g} {control.unit}"
        lines.append(f"| {control.name} | {scope} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def draw(studio: Studio, controls: Controls, wplus: Tensor) -> NDArray[np.uint8]:
    """One row a control, at five values from one end of its range to the other, on a face [1, K, D]."""
    rows = []
    for control in controls.all:
        values = [control.low, control.low / 2, 0.0, control.high / 2, control.high]
        moved = [rendering.apply(wplus, controls.delta({control.name: value}, wplus)) for value in values]
        rows.append(list(rendering.render(studio.generator, torch.cat(moved), studio.size)))
    captions = [f"{c.label}\n{c.low:g} to {c.high:g} {c.unit}" for c in controls.all]
    return grid(rows, captions_left=captions, captions_top=["low", "½", "0", "½", "high"])
