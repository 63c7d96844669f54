"""What lies beside a face on a picture, where an animation should change nothing.

Pixels and SSIM compare it: no network looks, so nothing that is trained can learn to please one.
"""

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import face_mask
from d2a_core.media import resampling, similarity


def compared(
    image: NDArray[np.uint8], points: NDArray, other: NDArray[np.uint8], other_points: NDArray
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    """Two pictures u1 [H, W, 3] at 256 px, and the weight [256, 256]: 1 outside both of their faces, else 0.

    `points` and `other_points` [P, 2] are landmarks in fractions; where one is NaN the weight is. Input of
    `similarity.psnr_where` and `ssim_where`.
    """
    side = similarity.SMALL
    free = face_mask.outside(np.stack((points, other_points)), side).prod(axis=0)
    return resampling.scaled(image, side, side), resampling.scaled(other, side, side), free
