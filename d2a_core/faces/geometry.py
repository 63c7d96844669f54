"""Geometry of landmarks: rigid fits, head pose, errors, and the attributes a person would name."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d2a_core.faces.schemes import Scheme, scheme_of

AXES = "ZXY"  # each as the turn before has left it: roll, pitch, yaw


def normalized_mean_error(
    pred: NDArray, true: NDArray, *, normaliser: str = "inter_ocular"
) -> NDArray[np.float32]:
    """Mean landmark error [N] of `pred` against `true` [N, P, 2] as a fraction of the face's size.

    See `face_size` for the normalisers. NaN where a point is NaN.
    """
    return (np.linalg.norm(pred - true, axis=-1).mean(axis=-1) / face_size(true, normaliser)).astype(
        np.float32
    )


def face_size(points: NDArray, normaliser: str) -> NDArray[np.float64]:
    """Size [N] of the faces with `points` [N, P, 2].

    `inter_ocular`: distance of the outer eye corners (WFLW). `inter_pupil`: of the pupils, or of the middles
    of the eyes where the scheme has none. `box`: √(w·h) of the box around all points (Bulat and
    Tzimiropoulos, ICCV 2017, the paper's reference 8).
    """
    scheme = scheme_of(points.shape[1])
    if normaliser == "inter_ocular":
        left, right = (points[:, corner] for corner in scheme.outer_eyes)
    elif normaliser == "inter_pupil" and scheme.pupils:
        left, right = (points[:, pupil] for pupil in scheme.pupils)
    elif normaliser == "inter_pupil":
        left, right = (points[:, list(eye)].mean(axis=1) for eye in (scheme.left_eye, scheme.right_eye))
    elif normaliser == "box":
        return np.sqrt(np.prod(points.max(axis=1) - points.min(axis=1), axis=-1))
    else:
        raise ValueError(f"unknown normaliser {normaliser!r}; choose inter_ocular, inter_pupil or box")
    return np.linalg.norm(left - right, axis=-1)


def similarity_fit(points: NDArray, template: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Rotation [N, 3, 3], scale [N] and shift [N, 3] with points ≈ scale · template @ rotation.T + shift.

    Least squares over similarity transforms (Umeyama, PAMI 1991); `points` [N, P, 3], `template` [P, 3].
    """
    centre, middle = points.mean(axis=1), template.mean(axis=0)
    centred, flat = points - centre[:, None], template - middle
    u, s, vt = np.linalg.svd(np.einsum("npi,pj->nij", centred, flat))
    flip = np.ones_like(s)
    flip[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * flip[:, None]) @ vt
    scale = (s * flip).sum(axis=1) / np.square(flat).sum()
    shift = centre - scale[:, None] * (rotation @ middle)
    return rotation, scale, shift


def rotation_matrix(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Rotation [3, 3] for angles in degrees: roll ∘ pitch ∘ yaw on columns (x right, y down, z away).

    yaw > 0 turns the nose to the right of the image, pitch > 0 lifts it, roll > 0 tilts clockwise.
    """
    return Rotation.from_euler(AXES, (roll, -pitch, -yaw), degrees=True).as_matrix()


def angles_of(rotation: NDArray) -> NDArray[np.float32]:
    """Yaw, pitch, roll in degrees [N, 3] of rotations [N, 3, 3]; inverse of `rotation_matrix`."""
    roll, down, left = Rotation.from_matrix(rotation).as_euler(AXES, degrees=True).T
    return np.stack((-left, -down, roll), axis=1).astype(np.float32)


def head_pose(points: NDArray, template: NDArray, rigid: tuple[int, ...]) -> tuple[NDArray, NDArray]:
    """Angles [N, 3] in degrees and canonical points [N, P, 2] of 3-D points [N, P, 3].

    The rigid points, which no expression moves, are fitted to the template; undoing that fit turns the
    face to the front at unit inter-ocular distance, so that faces in different poses compare.
    """
    chosen = list(rigid)
    rotation, scale, shift = similarity_fit(points[:, chosen].astype(np.float64), template[chosen])
    canonical = (points - shift[:, None]) @ rotation / scale[:, None, None]
    return angles_of(rotation), canonical[..., :2].astype(np.float32)


def attributes(points: NDArray, canonical: NDArray, angles: NDArray, scheme: Scheme) -> dict[str, NDArray]:
    """Named measures of each face, [N] float32.

    `yaw`, `pitch`, `roll` in degrees; the others from the canonical points [N, P, 2] in inter-ocular
    distances: `mouth_opening` gap of the inner lips, `smile` width of the mouth plus how far its corners
    lie above the upper lip's middle, `eye_opening` gap of the lids over the eye's width, on both eyes, and
    `left_eye_opening` and `right_eye_opening` that of the eye on this side of the picture, `brow_height`
    brows above the eyes, `gaze_x` and `gaze_y` pupils off the middle of the eye corners (right, down; NaN
    without pupils).
    """

    def point(index: int) -> NDArray:
        return canonical[:, index]

    left, right = scheme.left_corners, scheme.right_corners
    corners = (point(left[0]) + point(left[1]) + point(right[0]) + point(right[1])) / 4
    widths = np.linalg.norm(point(left[1]) - point(left[0]), axis=1) + np.linalg.norm(
        point(right[1]) - point(right[0]), axis=1
    )
    lids = np.mean([np.linalg.norm(point(low) - point(up), axis=1) for up, low in scheme.lids], axis=0)
    gap = np.mean([point(low)[:, 1] - point(up)[:, 1] for up, low in scheme.lips], axis=0)
    mouth_left, mouth_right = (point(index) for index in scheme.mouth_corners)
    middle = np.mean([point(up)[:, 1] for up, _ in scheme.lips], axis=0)
    lift = middle - (mouth_left[:, 1] + mouth_right[:, 1]) / 2
    brows = canonical[:, [*scheme.left_brow, *scheme.right_brow], 1].mean(axis=1)
    gaze = _gaze(canonical, corners, scheme)
    measured = {
        "yaw": angles[:, 0],
        "pitch": angles[:, 1],
        "roll": angles[:, 2],
        "mouth_opening": gap,
        "smile": np.linalg.norm(mouth_right - mouth_left, axis=1) + lift,
        "eye_opening": lids / (widths / 2),
        "left_eye_opening": _opening(canonical, left, scheme.left_eye, scheme),
        "right_eye_opening": _opening(canonical, right, scheme.right_eye, scheme),
        "brow_height": corners[:, 1] - brows,
        "gaze_x": gaze[:, 0],
        "gaze_y": gaze[:, 1],
    }
    return {name: np.asarray(values, dtype=np.float32) for name, values in measured.items()}


def _gaze(canonical: NDArray, corners: NDArray, scheme: Scheme) -> NDArray:
    """Pupils off the middle [N, 2] of the eye `corners`; NaN without pupils."""
    if not scheme.pupils:
        return np.full((len(canonical), 2), np.nan)
    return (canonical[:, scheme.pupils[0]] + canonical[:, scheme.pupils[1]]) / 2 - corners


def _opening(
    canonical: NDArray, corners: tuple[int, int], eye: tuple[int, ...], scheme: Scheme
) -> NDArray[np.float64]:
    """Gap [N] of the lids of one `eye` over its width, the distance of its `corners`."""
    pairs = np.array([pair for pair in scheme.lids if pair[0] in eye])
    gap = np.linalg.norm(canonical[:, pairs[:, 1]] - canonical[:, pairs[:, 0]], axis=2).mean(axis=1)
    return gap / np.linalg.norm(canonical[:, corners[1]] - canonical[:, corners[0]], axis=1)


ATTRIBUTES = (  # those with directions, which move both eyes as one
    "yaw",
    "pitch",
    "roll",
    "mouth_opening",
    "smile",
    "eye_opening",
    "brow_height",
    "gaze_x",
    "gaze_y",
)
