"""The part of a picture that is no face: where a change of expression should change nothing."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import ConvexHull

from d2a_core.faces.schemes import scheme_of

FOREHEAD = 0.6  # of the way from the base of the nose to the brows, by which the brows are copied upwards
GROWTH = 1.15  # of the hull about its centre of area: hair line, ears, and the shadow of the jaw


def outside(points: NDArray, size: int, *, blur: float = 0.0) -> NDArray[np.float32]:
    """Masks [N, size, size] of pictures with landmarks `points` [N, P, 2] in fractions of a square picture.

    1 outside the face, 0 on it, by the middle of each pixel. The face is the convex hull of all points and of
    the forehead, which are the brows once more, moved by FOREHEAD of the way that leads from the base of the
    nose to their middle; the hull is then GROWTH times as large about its centre of area. `blur` is the σ in
    px of a Gaussian that softens the edge. A mask is NaN where a point is NaN.
    """
    return np.stack([_one(face, size, blur) for face in np.asarray(points, np.float64)])


def with_forehead(points: NDArray) -> NDArray[np.float64]:
    """Landmarks [N, P, 2], and after them the points of the forehead: [N, P + B, 2]."""
    points = np.asarray(points, np.float64)
    scheme = scheme_of(points.shape[1])
    brows = points[:, list(scheme.parts["brows"])]
    upwards = brows.mean(axis=1, keepdims=True) - points[:, [scheme.nose_base]]
    return np.concatenate((points, brows + FOREHEAD * upwards), axis=1)


def _one(points: NDArray, size: int, blur: float) -> NDArray[np.float32]:
    """Mask [size, size] of one face [P, 2]."""
    if np.isnan(points).any():
        return np.full((size, size), np.nan, np.float32)
    hull = ConvexHull(with_forehead(points[None])[0])
    centre = _centre(hull.points[hull.vertices])
    middles = (np.arange(size) + 0.5) / size
    x, y = (at + (middles - at) / GROWTH for at in centre)  # a smaller grid instead of a larger hull
    face = np.ones((size, size), bool)
    for across, down, offset in hull.equations:  # at most 0 inside
        face &= across * x[None] + down * y[:, None] + offset <= 0
    mask = (~face).astype(np.float32)
    return gaussian_filter(mask, blur, mode="nearest") if blur > 0 else mask


def _centre(polygon: NDArray) -> NDArray[np.float64]:
    """Centre of area [2] of the polygon with corners [C, 2] in order.

    That of the corners themselves would lie where a scheme has many of them.
    """
    anchor = polygon[0]
    one, two = polygon[1:-1] - anchor, polygon[2:] - anchor  # triangles that share a corner
    area = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    return anchor + ((one + two) * area[:, None]).sum(axis=0) / (3 * area.sum())
