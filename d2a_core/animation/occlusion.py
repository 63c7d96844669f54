"""What lies before a face: where a frame differs from what its code shows, over an area and not at an edge.

A code shows a face and nothing else. A hand, a cup or a microphone before it is left over when the two are
compared; the mesh of the detector sees the face through it and says nothing.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter, grey_opening, label

from d2a_core.faces import paste
from d2a_core.faces.schemes import Scheme
from d2a_core.media import resampling

SIDE = 64  # px, side at which the two are compared
BLUR = 1.0  # px of it, σ
THIN, NARROW = 5, 3  # px of it: lips and lids that a code misses are no wider, a finger is; of its edges
LEAST, SURE = 14.0, 28.0  # gray levels of difference of what may lie there beside something, and of that
AREA = 0.02  # share of the face that it covers at least
GROWTH = 5  # px of a square that it is grown by: its rim belongs to it
TIGHT = 0.5  # σ by which the mask of the face is larger than it
COVERED = 0.6  # share of a face that may be covered; of one that is more so, nothing is known


def hidden(
    face: NDArray[np.uint8], shown: NDArray[np.uint8], points: NDArray, scheme: Scheme
) -> NDArray[np.float32]:
    """Share [SIDE, SIDE] of each place of an aligned face u1 [S, S, 3] that is hidden, 0 beside the face.

    `shown` u1 [R, R, 3] is what its code shows, `points` [P, 2] are its landmarks. Another light on the whole
    face hides nothing, nor does a mouth or an eye that is open where the code's is not.
    """
    inside = paste.face_mask(points[None], scheme, size=SIDE, rim=TIGHT) > 0.5
    small = [resampling.resize(picture[None], SIDE)[0].astype(np.float32) for picture in (face, shown)]
    left = small[0] - small[1]
    weight = inside[..., None].astype(np.float32)
    left = (left - np.median(left[inside], axis=0)) * weight
    sigma = (BLUR, BLUR, 0)
    apart = np.linalg.norm(gaussian_filter(left, sigma) / (gaussian_filter(weight, sigma) + 1e-3), axis=2)
    sure = (grey_opening(apart * inside, THIN) > SURE) & ~_moving(points, scheme)
    parts, _ = label(grey_opening(apart * inside, NARROW) > LEAST)  # of a hand on a cheek little differs
    found = np.isin(parts, np.unique(parts[sure])) & (parts > 0)
    if found.sum() < AREA * inside.sum():
        return np.zeros((SIDE, SIDE), np.float32)
    return gaussian_filter(binary_dilation(found, np.ones((GROWTH, GROWTH))).astype(np.float32), 1.0)


def _moving(points: NDArray, scheme: Scheme) -> NDArray[np.bool_]:
    """Where mouth and eyes are, [SIDE, SIDE]: a code may lag behind them."""
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    for part in (scheme.parts["mouth"], scheme.left_eye, scheme.right_eye):
        outline = cv2.convexHull(np.rint(points[list(part)] * SIDE - 0.5).astype(np.int32))
        cv2.fillConvexPoly(drawn, outline, 1)
    return binary_dilation(drawn > 0, np.ones((GROWTH, GROWTH)))


def covered(hidden: NDArray, points: NDArray, scheme: Scheme) -> NDArray[np.float64]:
    """Share [N] of each face, with landmarks `points` [N, P, 2], that is `hidden` [N, SIDE, SIDE]."""
    masks = (paste.face_mask(face[None], scheme, size=SIDE, rim=TIGHT) for face in points)
    return np.array([(part * mask).sum() / mask.sum() for part, mask in zip(hidden, masks, strict=True)])
