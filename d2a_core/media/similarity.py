"""Similarity of two pictures: PSNR, SSIM, MS-SSIM."""

import numpy as np
import pytorch_msssim
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

SMALL = 256  # px, the size at which encoders are compared
LEAST_SIDE = 160  # px; MS-SSIM halves four times and then looks through windows of 11 px
WINDOW_SIGMA, WINDOW_RADIUS = 1.5, 5  # px, of the windows of SSIM
STABLE = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # constants of SSIM for pictures up to 255


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
    return _decibels(np.square(image.astype(np.float64) - photo).mean())


def psnr_where(image: NDArray[np.uint8], photo: NDArray[np.uint8], weight: NDArray) -> float:
    """`psnr` where two pictures u1 [H, W, 3] count, by `weight` [H, W] ≥ 0; NaN where nothing counts.

    A weight of NaN gives NaN.
    """
    if not weight.any():
        return float("nan")
    error = np.square(image.astype(np.float64) - photo).mean(axis=2)
    return _decibels(np.average(error, weights=weight))


def _decibels(error: float) -> float:
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim_where(image: NDArray[np.uint8], photo: NDArray[np.uint8], weight: NDArray) -> float:
    """Mean of SSIM where two pictures u1 [H, W, 3] count, by `weight` [H, W] ≥ 0; NaN where nothing counts.

    Wang et al., "Image quality assessment: from error visibility to structural similarity" (IEEE TIP 2004),
    Gaussian windows of 11 px, channel by channel. A window at the edge looks 5 px beyond it. A weight of NaN
    gives NaN.
    """
    if not weight.any():
        return float("nan")

    def local(values: NDArray) -> NDArray:
        return gaussian_filter(values, WINDOW_SIGMA, radius=WINDOW_RADIUS, axes=(0, 1))

    first, second = image.astype(np.float64), photo.astype(np.float64)
    one, two = local(first), local(second)
    spread = local(first**2) - one**2 + local(second**2) - two**2
    common = local(first * second) - one * two
    luminance = (2 * one * two + STABLE[0]) / (one**2 + two**2 + STABLE[0])
    structure = (2 * common + STABLE[1]) / (spread + STABLE[1])
    return float(np.average((luminance * structure).mean(axis=2), weights=weight))


def structural_similarity(image: NDArray[np.uint8], photo: NDArray[np.uint8]) -> float:
    """MS-SSIM of two pictures u1 [H, W, 3], 1 for equal ones: see `ms_ssim`."""
    first, second = (torch.from_numpy(each.copy()).permute(2, 0, 1)[None].float() for each in (image, photo))
    return ms_ssim(first / 255, second / 255).item()
