"""Controls of a face: named sliders, each a move of its landmarks in space, and how far a face followed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import geometry, moves
from d2a_core.faces.heads import lift, project
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.moves import CORNER_LIFT
from d2a_core.faces.schemes import Scheme, scheme_of

DEGREES, PERCENT = "°", "%"
SHUT = 0.84  # share of its lids' distance that an eye has lost when it is shut: they are no single points
EYES = ("left_eye_closed", "right_eye_closed")
GAZE = ("gaze_x", "gaze_y")


@dataclass(frozen=True)
class Control:
    """A slider: its names, and its range from `low` to `high` in `unit`.

    The unit is degrees of a turn, else % of the distance of the outer eye corners; of what closes eyes, % of
    the way to a shut eye. `attribute` tells how far a face has come: one of it is `factor` units, or where
    that is None, its loss is a share of what it was.
    """

    name: str
    label: str
    unit: str
    low: float
    high: float
    attribute: str
    factor: float | None


CONTROLS = (
    Control("yaw", "Turn right", DEGREES, -30, 30, "yaw", 1),
    Control("pitch", "Look up", DEGREES, -20, 20, "pitch", 1),
    Control("mouth_open", "Mouth open", PERCENT, -10, 40, "mouth_opening", 100),
    Control("smile", "Smile", PERCENT, -6, 10, "smile", 100 / (2 + CORNER_LIFT)),
    Control("eyes_closed", "Eyes closed", PERCENT, -30, 100, "eye_opening", None),
    Control("left_eye_closed", "Left eye closed", PERCENT, -30, 100, "left_eye_opening", None),
    Control("right_eye_closed", "Right eye closed", PERCENT, -30, 100, "right_eye_opening", None),
    Control("brows_up", "Brows up", PERCENT, -8, 14, "brow_height", 100),
    Control("gaze_x", "Gaze right", PERCENT, -10, 10, "gaze_x", 100),
    Control("gaze_y", "Gaze down", PERCENT, -6, 6, "gaze_y", 100),
)


def of_scheme(scheme: Scheme) -> tuple[Control, ...]:
    """Controls of faces whose landmarks follow a scheme; one without pupils has no gaze."""
    return tuple(control for control in CONTROLS if scheme.pupils or control.name not in GAZE)


def clamped(values: Mapping[str, float], scheme: Scheme) -> tuple[dict[str, float], list[str]]:
    """Values within the ranges, and a sentence on each that was not; ValueError for an unknown name."""
    known = {control.name: control for control in of_scheme(scheme)}
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


def asked(points: NDArray, angles: NDArray | None, values: Mapping[str, float]) -> NDArray[np.float32]:
    """Landmarks [T, P, 2] that the controls at `values` ask of faces with landmarks `points` [T, P, 2].

    `angles` [T, 3] are those of the heads, where a detector has seen them. What closes both eyes adds to what
    closes one.
    """
    amounts = {
        control.name: values[control.name] / (1 if control.unit == DEGREES else 100)
        for control in CONTROLS
        if values.get(control.name)
    }
    if not amounts:
        return np.array(points, np.float32)
    both = amounts.pop("eyes_closed", 0.0)
    for eye in EYES if both else ():
        amounts[eye] = min(amounts.get(eye, 0.0) + both, 1.0)
    heads = lift(points, scheme_of(points.shape[1]), angles)
    return project(moves.moved(heads, amounts)).astype(np.float32)


def came(rest: Detections, seen: Detections) -> dict[str, NDArray[np.float64]]:
    """How far faces [N] have come from the face at `rest` [1]: of each control, in its unit, [N]."""
    scheme = scheme_of(seen.points.shape[1])
    before, after = (
        geometry.attributes(found.points, found.canonical, found.angles, scheme) for found in (rest, seen)
    )
    found = {}
    for control in of_scheme(scheme):
        start, end = (values[control.attribute].astype(np.float64) for values in (before, after))
        if control.factor is None:
            found[control.name] = 100 * (1 - end / start) / SHUT
        else:
            found[control.name] = control.factor * (end - start)
    return found
