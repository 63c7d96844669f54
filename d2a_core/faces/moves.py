"""Moves of a face in space: what a slider asks of the landmarks.

A face is turned by its rotation and changed in its shape, which is turned to the front. So a turned head
opens its mouth along its own chin. Lengths are in inter-ocular distances of the mean face.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from d2a_core.faces.geometry import rotation_matrix
from d2a_core.faces.heads import Heads
from d2a_core.faces.schemes import Scheme, scheme_of

UPPER_LID = 0.8  # share of a closing eye that the upper lid goes, the lower one goes the rest
JAW = 0.75  # share of an opening mouth that the lower lip goes, the upper one goes the rest
CHIN = 0.7  # of the way of the lower lip that the chin goes
CHIN_WIDTH = 0.2  # share of the contour on either side of the chin that goes with it
CORNER_LIFT = 0.6  # of the way outwards that the corners of a smiling mouth go up

Shapes = NDArray[np.float64]  # [T, P, 3]


def moved(heads: Heads, values: Mapping[str, ArrayLike]) -> Heads:
    """Move heads [T] by `values`, one number or [T] each; a name that is left out moves nothing.

    `yaw`, `pitch`, `roll` in degrees (nose to the right, up, clockwise); `mouth_open`: more room between the
    lips; `smile`: half of what the mouth gains in width; `left_eye_closed`, `right_eye_closed`: share of the
    gap that the lids close, by side of the image; `brows_up`; `gaze_x`, `gaze_y`: of the pupils to the right
    and down. Raises ValueError for an unknown name.
    """
    amounts = {
        name: np.broadcast_to(np.asarray(value, np.float64), heads.scale.shape)
        for name, value in values.items()
    }
    unknown = sorted(amounts.keys() - {*TURNS, *SHAPES})
    if unknown:
        raise ValueError(f"there is no move {unknown[0]!r}; choose one of {', '.join((*TURNS, *SHAPES))}")
    scheme, shape = scheme_of(heads.shape.shape[1]), heads.shape.copy()
    for name, change in SHAPES.items():
        if name in amounts:
            change(shape, amounts[name][:, None], scheme)
    angles = np.stack([amounts.get(name, np.zeros(len(shape))) for name in TURNS], axis=1)
    return replace(heads, shape=shape, rotation=_turned(heads.rotation, angles))


def _turned(rotation: NDArray, angles: NDArray) -> NDArray[np.float64]:
    """Rotations [T, 3, 3] turned further by `angles` [T, 3], as the camera sees it."""
    turns = [rotation_matrix(*each) for each in angles]
    return Rotation.from_matrix(np.stack(turns) @ rotation).as_matrix()


def _open_mouth(shape: Shapes, amount: NDArray, scheme: Scheme) -> None:
    """The lower lip falls and the chin with it, the upper one rises a little; the corners stay."""
    spread_lips(shape, np.repeat(amount, len(scheme.lips), axis=1), scheme)


def spread_lips(shape: Shapes, gaps: NDArray, scheme: Scheme) -> None:
    """Part the lips of shapes, in place, by `gaps` [T, K] at the K pairs of inner lips; below 0: close."""
    upper, lower = map(list, zip(*scheme.lips, strict=True))
    left, right = scheme.mouth_corners
    mouth, contour = list(scheme.parts["mouth"]), list(scheme.parts["contour"])
    away = np.abs(np.arange(len(contour)) / (len(contour) - 1) - 0.5) / CHIN_WIDTH
    falling = np.cos(np.pi / 2 * np.minimum(away, 1))
    for face, gap in zip(shape, gaps, strict=True):
        slit = np.stack((face[left], *(face[upper] + face[lower]) / 2, face[right]))
        order = np.argsort(slit[:, 0])
        room = np.interp(face[mouth, 0], slit[order, 0], np.pad(gap, 1)[order])
        below = face[mouth, 1] > np.interp(face[mouth, 0], slit[order, 0], slit[order, 1])
        face[mouth, 1] += np.where(below, JAW, JAW - 1) * room
        face[contour, 1] += CHIN * JAW * gap[np.abs(gap).argmax()] * falling


def _smile(shape: Shapes, amount: NDArray, scheme: Scheme) -> None:
    """The corners of the mouth go outwards and up, the rest of it as far as it lies towards them."""
    mouth = list(scheme.parts["mouth"])
    left, right = (shape[:, corner, :1] for corner in scheme.mouth_corners)
    place = (shape[:, mouth, 0] - (left + right) / 2) / np.maximum((right - left) / 2, 1e-6)
    shape[:, mouth, 0] += amount * place
    shape[:, mouth, 1] -= CORNER_LIFT * amount * np.square(place)


def _close_left_eye(shape: Shapes, share: NDArray, scheme: Scheme) -> None:
    _close_eye(shape, share, scheme, scheme.left_eye)


def _close_right_eye(shape: Shapes, share: NDArray, scheme: Scheme) -> None:
    _close_eye(shape, share, scheme, scheme.right_eye)


def _close_eye(shape: Shapes, share: NDArray, scheme: Scheme, eye: tuple[int, ...]) -> None:
    for upper, lower in scheme.lids:
        if upper in eye:
            gap = share[:, 0] * (shape[:, lower, 1] - shape[:, upper, 1])
            shape[:, upper, 1] += UPPER_LID * gap
            shape[:, lower, 1] -= (1 - UPPER_LID) * gap


def _raise_brows(shape: Shapes, amount: NDArray, scheme: Scheme) -> None:
    shape[:, list(scheme.parts["brows"]), 1] -= amount


def _look_right(shape: Shapes, amount: NDArray, scheme: Scheme) -> None:
    shape[:, list(scheme.pupils or ()), 0] += amount


def _look_down(shape: Shapes, amount: NDArray, scheme: Scheme) -> None:
    shape[:, list(scheme.pupils or ()), 1] += amount


TURNS = ("yaw", "pitch", "roll")
SHAPES: dict[str, Callable[[Shapes, NDArray, Scheme], None]] = {
    "mouth_open": _open_mouth,
    "smile": _smile,
    "left_eye_closed": _close_left_eye,
    "right_eye_closed": _close_right_eye,
    "brows_up": _raise_brows,
    "gaze_x": _look_right,
    "gaze_y": _look_down,
}
