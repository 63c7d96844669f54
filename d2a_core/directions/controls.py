"""Stage `controls`: named sliders of a face, each a step in W+ that leaves what the others do as it is.

The paper drives faces by landmarks alone; its directions can be steered as well. The faces of the stage
`pairs` tell how each attribute answers to a step in each layer (`attribute_slopes`). That gives for every
control the shortest step that changes its own attribute and none of the others. What these do is measured on
rendered faces and corrected. What a control does at which strength is then measured on faces that were not
used, which gives its scale, its range, and the table of purity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions import sliders
from d2a_core.directions.ball import Ball
from d2a_core.directions.sliders import Controls, Kind, Measured
from d2a_core.faces import geometry
from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.generator import detection, rendering, seeds
from d2a_core.generator.generator import Generator, broadcast
from d2a_core.media.sheets import grid

TRUNCATION = 0.7  # ψ of the faces that controls are made and measured on
LENGTH_RIDGE = 0.003  # weight of the length of a step; more changes less of the face, and is less pure
LONGEST = 0.8  # longest step of a layer, as a share of the longest that the ball of the latents allows
ROUNDS = 2  # times that controls are measured and what they do to one another is taken out
MEASURED = np.linspace(-1, 1, 9)  # strengths at which a control is measured, as shares of its reach


@dataclass(frozen=True)
class Options:
    """Config section `controls`."""

    faces: int
    seed: int


def faces(generator: Generator, options: Options) -> tuple[Tensor, Tensor]:
    """Two sets of faces, each W+ [faces, K, D], to build the controls on and to measure them."""
    z = seeds.normal("controls", options.seed, range(2 * options.faces), generator.z_dim)
    with torch.no_grad():
        w = generator.map(torch.from_numpy(z)).cpu()
    mean = generator.mean_w.cpu()
    wplus = broadcast(mean + TRUNCATION * (w - mean), generator.num_layers)
    return wplus[: options.faces], wplus[options.faces :]


@dataclass(frozen=True)
class Looker:
    """Renderer and detector: drafts of `size` px, steps kept inside the `ball` of the latents."""

    generator: Generator
    detector: LandmarkDetector
    ball: Ball
    size: int

    def attributes(self, wplus: Tensor, delta: Tensor, progress=None) -> NDArray[np.float64]:
        """Attributes [N, A] of drafts of w + Δw, `wplus` [N, K, D], `delta` [N, L, D]; NaN without a face."""
        kept = self.ball.renorm(delta, wplus)
        looks = {"size": self.size, "progress": progress}
        seen = detection.detect(self.generator, self.detector, wplus, kept, **looks)
        return sliders.attributes(seen)


def responses(
    looker: Looker, wplus: Tensor, steps: NDArray, rest: NDArray, progress=None
) -> NDArray[np.float64]:
    """Change [S, F, A] of the attributes of faces [F, K, D] by each of the `steps` [S, L, D].

    `rest` [F, A] are the attributes of the faces as they are.
    """
    changes = []
    for step in torch.from_numpy(steps).float():
        moved = looker.attributes(wplus, step.expand(len(wplus), -1, -1), progress)
        changes.append(moved - rest)
    return np.stack(changes)


def renders(store: Mapping[str, NDArray], options: Options) -> int:
    """Drafts that `build` and `measure` look at."""
    count = len(sliders.kinds(store))
    return options.faces * (2 * count * ROUNDS + 1 + count * (len(MEASURED) - 1) + 1)


def build(
    looker: Looker,
    store: Mapping[str, NDArray],
    slope: NDArray,
    wplus: Tensor,
    progress=None,
) -> NDArray[np.float32]:
    """The controls [C, L, D], one deviation long each, made on faces [F, K, D].

    `slope` [A, L, D] of `attribute_slopes.learn` gives, for each, the shortest step that changes its
    attribute and none of the others. What that does to rendered faces is measured `ROUNDS` times, and the
    steps are mixed by the inverse of what they do to one another. Tilt has no control: alignment leaves none.
    """
    wanted = sliders.kinds(store)
    vector = shortest(_own(wanted, slope), ridge=LENGTH_RIDGE)
    rest = looker.attributes(wplus, torch.zeros(len(wplus), *vector.shape[1:]), progress)
    scales = store["deviation"][:, None]
    for _ in range(ROUNDS):
        effect = _slopes(looker, wplus, vector, rest, progress)
        own = _own(
            wanted, effect.T / np.where(scales > 0, scales, 1)
        )  # of a control, what each step does to it
        vector = np.einsum("cb,bld->cld", mix(own, vector, ridge=LENGTH_RIDGE), vector)
    return vector.astype(np.float32)


def _own(wanted: Sequence[Kind], values: NDArray) -> NDArray[np.float64]:
    """Pick the values of the controls, with their sign, from those of all attributes: [A, ...] → [C, ...]."""
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


def _slopes(looker: Looker, wplus: Tensor, steps: NDArray, rest: NDArray, progress) -> NDArray[np.float64]:
    """Change [S, A] of the attributes for each whole step, from the middle of faces moved forth and back."""
    forth, back = (responses(looker, wplus, sign * steps, rest, progress) for sign in (1, -1))
    return np.nan_to_num(np.nanmean((forth - back) / 2, axis=1))


def measure(
    looker: Looker,
    store: Mapping[str, NDArray],
    vector: NDArray,
    wplus: Tensor,
    progress=None,
) -> Measured:
    """Measure what each control [C, L, D] does to other faces [F, K, D] at nine strengths.

    No layer goes further than the share `LONGEST` of what the ball of the latents allows: a sum of random
    directions may go that far, a single one breaks faces before.
    """
    wanted, deviation = sliders.kinds(store), store["deviation"]
    rest = looker.attributes(wplus, torch.zeros(len(wplus), *vector.shape[1:]), progress)
    most = LONGEST * looker.ball.reach / np.linalg.norm(vector, axis=2).max(axis=1)
    reach = [min(_reach(kind, deviation), limit) for kind, limit in zip(wanted, most, strict=True)]
    strength = np.stack([MEASURED * far for far in reach])
    response = np.zeros((*strength.shape, len(deviation)))
    found = np.ones(strength.shape)
    for number, line in enumerate(strength):
        moving = line != 0
        change = responses(looker, wplus, line[moving, None, None] * vector[number], rest, progress)
        response[number, moving] = np.nanmedian(change, axis=1)
        found[number, moving] = np.isfinite(change[..., 0]).mean(axis=1)
    return Measured(
        wanted, vector, *(part.astype(np.float32) for part in (strength, response, found, deviation))
    )


def _reach(kind: Kind, deviation: NDArray) -> float:
    """Largest strength at which a control is tried, in deviations."""
    if kind.unit == sliders.DEVIATIONS:
        return kind.reach
    return kind.reach / float(deviation[geometry.ATTRIBUTES.index(kind.attribute)])


def purity(measured: Measured) -> dict[str, list]:
    """Columns of a table: effect of each control on each attribute at every strength, a row each.

    `value` is what it does to its own attribute, in its unit; `change` that to the attribute, in standard
    deviations of the samples; `found` the share of faces that were seen.
    """
    rows = []
    for number, kind in enumerate(measured.kinds):
        own = sliders.own_response(measured, number)
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
    middle = measured.strength.shape[1] // 2
    for slider in controls.sliders:
        control, number = slider.control, slider.number
        kind = measured.kinds[number]
        change = measured.response[number, middle + 1] - measured.response[number, middle - 1]
        slopes = change[measured.deviation > 0] / measured.deviation[measured.deviation > 0]
        own = kind.sign * slopes[shown.index(kind.attribute)]
        cells = [f"{slope / own:+.2f}" for slope in slopes]
        scope = f"{control.low:g} to {control.high:g} {control.unit}"
        lines.append(f"| {control.name} | {scope} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def draw(looker: Looker, controls: Controls, wplus: Tensor) -> NDArray[np.uint8]:
    """One row a control, at five values from one end of its range to the other, on a face [1, K, D]."""
    rows = []
    for control in controls.all:
        values = [control.low, control.low / 2, 0.0, control.high / 2, control.high]
        moved = [rendering.apply(wplus, controls.delta({control.name: value}, wplus)) for value in values]
        rows.append(list(rendering.render(looker.generator, torch.cat(moved), looker.size)))
    captions = [f"{c.label}\n{c.low:g} to {c.high:g} {c.unit}" for c in controls.all]
    return grid(rows, captions_left=captions, captions_top=["low", "½", "0", "½", "high"])
