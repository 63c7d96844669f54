"""Sliders of a face: the wish, the range and the step in W+ of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from d2a_core.directions import ball
from d2a_core.directions.ball import Ball
from d2a_core.faces import geometry
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.schemes import scheme_of

LEAST_FOUND = 0.9  # share of faces that must still be found at the ends of a range
LEAST_SPAN = 0.5  # of a range, in the unit of the control, below which it is none
LEAST_RISE = 0.1  # of the slope at rest, below which a control has reached its end
STILL = 1e-3  # change of all strengths, as a share of their largest bounds, below which nothing is left to do
STORED = ("vector", "strength", "response")


@dataclass(frozen=True)
class Control:
    """A slider: its names, and its range from `low` to `high` in `unit`."""

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


def kinds(store: Mapping[str, NDArray]) -> list[Kind]:
    """Controls whose attribute varies over the samples; a scheme without pupils has no gaze."""
    return [kind for kind in KINDS if store["deviation"][geometry.ATTRIBUTES.index(kind.attribute)] > 0]


def attributes(seen: Detections) -> NDArray[np.float64]:
    """Attributes [N, A] of detected faces, in the order of `geometry.ATTRIBUTES`; NaN without a face."""
    scheme = scheme_of(seen.points.shape[1])
    found = geometry.attributes(seen.points, seen.canonical, seen.angles, scheme)
    values = np.stack([found[name] for name in geometry.ATTRIBUTES], axis=1).astype(np.float64)
    return np.where(seen.found[:, None], values, np.nan)


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


def own_response(measured: Measured, number: int) -> NDArray[np.float64]:
    """Response of a control's own attribute [S], in its unit."""
    return _in_unit(measured, number, measured.response[number])


def _in_unit(measured: Measured, number: int, change: NDArray) -> NDArray[np.float64]:
    """A change [..., A] of the attributes as that of the own one of a control, in its unit: [...]."""
    kind = measured.kinds[number]
    column = geometry.ATTRIBUTES.index(kind.attribute)
    scale = 1.0 if kind.unit == DEGREES else float(measured.deviation[column])
    return kind.sign * np.asarray(change[..., column], np.float64) / scale


def scale(measured: Measured, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strengths and responses of the range around rest in which a control works.

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


@dataclass(frozen=True)
class Slider:
    """A `control` that works: its place `number` among the measured ones, and its scale.

    `strength` and `response` [S] are those of `scale`: both rise, from the low end of the range to the high.
    """

    control: Control
    number: int
    strength: NDArray[np.float64]
    response: NDArray[np.float64]

    def strength_of(self, value: float) -> float:
        """Strength that gives a typical face the `value`, in the control's unit; the nearest in the range."""
        held = np.clip(value, self.response[0], self.response[-1])
        return float(PchipInterpolator(self.response, self.strength)(held))


def sliders(measured: Measured) -> list[Slider]:
    """The measured controls that move something, with their scales."""
    found = []
    for number, kind in enumerate(measured.kinds):
        strength, response = scale(measured, number)
        if np.ptp(response) > LEAST_SPAN:
            control = Control(kind.name, kind.label, kind.unit, *_ends(response))
            found.append(Slider(control, number, strength, response))
    return found


@dataclass(frozen=True)
class Problem:
    """Effect and cost of strengths, as known before a face is seen.

    `weight` [C] is what an error of one unit counts in each control. `slope` [C, C] is the change (row) that
    a unit of strength (column) makes on a typical face, `cost` [C, C] the quadratic form of what strengths
    cost, `bound` [2, C] the strengths known to work.
    """

    weight: NDArray[np.float64]
    slope: NDArray[np.float64]
    cost: NDArray[np.float64]
    bound: NDArray[np.float64]


class Controls:
    """The `sliders` of measured controls, ready to move faces inside the `ball` of the latents."""

    def __init__(self, measured: Measured, ball: Ball) -> None:
        self.measured, self.ball, self.sliders = measured, ball, sliders(measured)

    @property
    def all(self) -> tuple[Control, ...]:
        """The controls, in the order of the sliders."""
        return tuple(slider.control for slider in self.sliders)

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
        return np.array([slider.strength_of(values.get(slider.control.name, 0.0)) for slider in self.sliders])

    def sum(self, strength: NDArray, wplus: Tensor) -> Tensor:
        """Δw [1, L, D] for the strength of each control [C] on the face `wplus` [1, K, D]."""
        return self.ball.renorm(self.steps(strength[None]), wplus)

    def steps(self, strength: NDArray) -> Tensor:
        """Steps that strengths of the controls [N, C] add to Δw, whatever the ball allows: [N, L, D]."""
        return torch.from_numpy(np.einsum("nc,cld->nld", strength, self._vectors)).float()

    def in_units(self, change: NDArray) -> NDArray[np.float64]:
        """A change [..., A] of the attributes in the unit of each control of `all`: [..., C]."""
        columns = [_in_unit(self.measured, slider.number, change) for slider in self.sliders]
        return np.stack(columns, axis=-1)

    def problem(self, cost: float) -> Problem:
        """Input of `settle`; a step as long in all layers as the ball allows costs `cost`."""
        middle = self.measured.strength.shape[1] // 2
        slopes = []
        for slider in self.sliders:
            change, length = (
                part[slider.number, middle + 1] - part[slider.number, middle - 1]
                for part in (self.measured.response, self.measured.strength)
            )
            slopes.append(self.in_units(change / length))
        lengths = np.einsum("ald,bld->ab", self._vectors, self._vectors)
        most = self._vectors.shape[1] * self.ball.reach**2
        return Problem(
            weight=np.array([WEIGHTS[control.unit] for control in self.all]),
            slope=np.stack(slopes, axis=1),
            cost=cost * lengths / most,
            bound=np.array([(slider.strength[0], slider.strength[-1]) for slider in self.sliders]).T,
        )

    @property
    def _vectors(self) -> NDArray[np.float64]:
        """Step of one unit of strength of each control, [C, L, D]."""
        return self.measured.vector[[slider.number for slider in self.sliders]].astype(np.float64)


def _ends(values: NDArray) -> tuple[float, float]:
    """Ends of a range, rounded towards rest so that they lie inside."""
    return float(np.ceil(10 * values[0]) / 10), float(np.floor(10 * values[-1]) / 10)


def arrays(measured: Measured, store: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Arrays to store, with the ball of the directions' `store`."""
    own = {name: getattr(measured, name) for name in ("vector", "strength", "response", "found", "deviation")}
    return own | {name: store[name] for name in ball.STORED}


def from_store(store: Mapping[str, NDArray]) -> Controls:
    """The controls that `arrays` stored."""
    names = ("vector", "strength", "response", "found", "deviation")
    measured = Measured(kinds(store), *(store[name] for name in names))
    return Controls(measured, ball.from_store(store))


@dataclass(frozen=True)
class Settled:
    """End of a settling: the `strength` [T, C] of each control, and what is `missing` [T, C].

    What is missing is NaN for a face that no look has seen.
    """

    strength: NDArray[np.float64]
    missing: NDArray[np.float64]


def settle(
    problem: Problem,
    start: NDArray,
    look: Callable[[NDArray], NDArray],
    *,
    rounds: int,
    learn: bool = False,
    weigh_cost: bool = False,
) -> Settled:
    """The best of `rounds` + 1 looks at each face, from the strengths `start` [T, C].

    `look` renders faces at strengths [T, C] and measures what is missing [T, C] of what is asked, in the
    controls' units; NaN without a face. A round minimises ‖w·(missing - J·d)‖² + (s + d)ᵀ·cost·(s + d) over
    the change d of the strengths s (Gauss-Newton). After a round that made it worse the next one starts from
    the best look again and goes half as far. With `learn`, each face has a J of its own, learned from what
    its rounds changed (Broyden 1965). The best look has the smallest error, or, with `weigh_cost`, the
    smallest sum of error and cost.
    """
    here = best = Settled(np.clip(start, *problem.bound), np.full(np.shape(start), np.nan))
    slope = np.repeat(problem.slope[None], len(start) if learn else 1, axis=0)
    least, share = np.full(len(start), np.inf), np.ones((len(start), 1))
    strength = here.strength
    for _ in range(rounds + 1):
        last, here = here, Settled(strength, look(strength))
        if learn:
            slope = _learned(slope, last, here)
        loss = _loss(problem, here, weigh_cost)
        better = (loss < least)[:, None]
        best = Settled(
            np.where(better, here.strength, best.strength), np.where(better, here.missing, best.missing)
        )
        least, share = np.minimum(loss, least), np.where(better, 1.0, share / 2)
        strength = _following(problem, best, slope, share)
        if np.abs(strength - here.strength).max() < STILL * np.abs(problem.bound).max():
            break
    return best


def _loss(problem: Problem, here: Settled, weigh_cost: bool) -> NDArray[np.float64]:
    """Squared error of each face [T], with the cost where that is weighed; infinite where it was not seen."""
    loss = np.square(problem.weight * here.missing).sum(axis=1)
    if weigh_cost:
        loss = loss + np.einsum("tb,bc,tc->t", here.strength, problem.cost, here.strength)
    return np.where(np.isnan(loss), np.inf, loss)


def _following(problem: Problem, best: Settled, slope: NDArray, share: NDArray) -> NDArray[np.float64]:
    """Strengths [T, C] after the `share` [T, 1] of a Gauss-Newton step from the best ones, within the bounds.

    `slope` [G, C, C] has one matrix for all faces, or one for each. A face that was not seen is moved less.
    """
    groups = (len(slope), -1, len(problem.weight))
    answer = problem.weight[:, None] * slope
    curvature = answer.mT @ answer + problem.cost
    missing = np.nan_to_num(problem.weight * best.missing).reshape(groups)
    downhill = missing @ answer - best.strength.reshape(groups) @ problem.cost
    change = np.linalg.solve(curvature, downhill.mT).mT.reshape(best.strength.shape)
    seen = ~np.isnan(best.missing).any(axis=1, keepdims=True)
    return np.where(seen, np.clip(best.strength + share * change, *problem.bound), share * best.strength)


def _learned(slope: NDArray, last: Settled, here: Settled) -> NDArray[np.float64]:
    """The slopes [T, C, C] that explain what the last move changed, as near as can be to those before."""
    moved, changed = here.strength - last.strength, last.missing - here.missing
    square = np.square(moved).sum(axis=1)
    known = (square > 1e-12) & ~np.isnan(changed).any(axis=1)
    error = changed - np.einsum("tbc,tc->tb", slope, moved)
    step = np.einsum("tb,tc->tbc", error, moved) / np.maximum(square, 1e-12)[:, None, None]
    return np.where(known[:, None, None], slope + step, slope)
