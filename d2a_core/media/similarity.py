"""Similarity of two pictures: PSNR, MS-SSIM."""

import numpy as np
import pytorch_msssim
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SMALL = 256  # px, the size at which encoders are compared
LEAST_SIDE = 160  # px; MS-SSIM halves four times and then looks through windows of 11 px


def ms_ssim(first: Tensor, second: Tensor) -> Tensor:
    """MS-SSIM (Wang et al. 2003) of images [N, 3, S, S] in [0, 1]: a scalar, 1 for equal ones.

    Its five scales need more than 160 px: smaller images are enlarged by a whole number first.
    """
    factor = LEAST_SIDE // first.shape[-1] + 1
    if factor > 1:
        first, second = (
            functional.interpolate(image, scale_factor=factor, mode="bilinear", align_corners=False)
            for image in (first, second)
        )
    return pytorch_msssim.ms_ssim(first, second, data_range=1.0)


def psnr(image: NDArray[np.uint8], photo: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of two pictures u1 [H, W, 3] in dB; infinite for equal ones."""
    error = np.square(image.astype(np.float64) - photo).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def structural_similarity(image: NDArray[np.uint8], photo: NDArray[np.uint8]) -> float:
    """MS-SSIM of two pictures u1 [H, W, 3], 1 for equal ones: see `ms_ssim`."""
    first, second = (torch.from_numpy(each.copy()).permute(2, 0, 1)[None].double() for each in (image, photo))
    return ms_ssim(first / 255, second / 255).item()
