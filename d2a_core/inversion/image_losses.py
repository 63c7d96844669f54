"""Measure, with gradients, how far a picture is from a photograph: pixels, structure, features, identity."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_msssim import ssim
from torch import Tensor
from torch.nn import functional

from d2a_core.faces import face_resnet
from d2a_core.media import similarity

PYRAMID = 4  # levels of the image loss
SSIM_WEIGHT = 0.5
WINDOW = 7  # px, of the structural similarity
OCTAVES = 4  # of the pixel pyramid; the coarsest is 1/8 of the image


@dataclass(frozen=True)
class Weights:
    """Weights of the terms of the loss; 0 leaves one out."""

    pixel: float
    structure: float
    features: float
    identity: float


class Likeness:
    """Terms of the distance between an image and one photograph, at any size that divides the photo's.

    `pixel`: L1 over a pyramid of means. `structure`: 1 - MS-SSIM (Wang et al. 2003). `features`: squared
    difference of the hidden maps of a face recognition network, every position normalised over the channels
    as in LPIPS (Zhang et al. 2018). `identity`: squared distance of its embeddings; dlib puts different
    people beyond 0.36.
    """

    def __init__(
        self,
        photo: NDArray,
        corners: NDArray,
        network: face_resnet.FaceResNet,
        *,
        weights: Weights,
        share: NDArray | None = None,
    ) -> None:
        """Look at a `photo` u1 [R, R, 3]; `corners` [5, 2] are `dlib_identity.five_points` in fractions.

        `share` [R, R] in [0, 1] is how much of an image counts at each place; the rest is the photo's. None
        is all of it.
        """
        self.weights, self.network = weights, network
        device = next(network.parameters()).device
        whole = np.ones(photo.shape[:2], np.float32) if share is None else share
        self._shares = {len(photo): torch.from_numpy(whole).to(device)[None, None]}
        self.corners = torch.as_tensor(corners)
        image = torch.from_numpy(photo.copy()).to(device).permute(2, 0, 1)[None].float() / 127.5 - 1
        self._photos = {image.shape[-1]: image}
        with torch.no_grad():
            self.maps, self.embedding = self._look(image)

    def photo(self, size: int) -> Tensor:
        """The photograph reduced to `size`, [1, 3, size, size] in [-1, 1]."""
        return _reduced(self._photos, size)

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """Weighted terms for an image [1, 3, S, S] in about [-1, 1]."""
        photo = self.photo(image.shape[-1])
        image = photo + _reduced(self._shares, image.shape[-1]) * (image - photo)
        maps, embedding = self._look(image)
        terms = {
            "pixel": pyramid_distance(image, photo),
            "structure": 1 - similarity.ms_ssim((image + 1) / 2, (photo + 1) / 2),
            "features": sum(map_distance(a, b) for a, b in zip(maps, self.maps, strict=True)) / len(maps),
            "identity": (embedding - self.embedding).square().sum(),
        }
        return {name: getattr(self.weights, name) * term for name, term in terms.items()}

    def _look(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        maps, embedding = self.network(face_resnet.chips((image + 1) * 127.5, self.corners))
        return [functional.normalize(each, dim=1) for each in maps], embedding


def _reduced(sizes: dict[int, Tensor], size: int) -> Tensor:
    """A picture [1, C, size, size] of those known by their `sizes`, to which it is added."""
    if size not in sizes:
        largest = sizes[max(sizes)]
        sizes[size] = functional.avg_pool2d(largest, largest.shape[-1] // size)
    return sizes[size]


def pyramid_distance(image: Tensor, photo: Tensor) -> Tensor:
    """Mean over `OCTAVES` halvings of the mean absolute difference."""
    difference = image - photo
    total = difference.abs().mean()
    for _ in range(OCTAVES - 1):
        difference = functional.avg_pool2d(difference, 2)
        total = total + difference.abs().mean()
    return total / OCTAVES


def map_distance(first: Tensor, second: Tensor) -> Tensor:
    """Squared distance of maps [N, C, S, S] at every position, averaged over the positions."""
    return (first - second).square().sum(dim=1).mean()


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """Mean SSIM (Wang et al. 2004) of images [N, 3, H, W] in [-1, 1], uniform windows: a scalar."""
    window = first.new_full((first.shape[1], 1, 1, WINDOW), 1 / WINDOW)
    # below zero the product of two errors would be a gain
    return ssim(first / 2 + 0.5, second / 2 + 0.5, data_range=1, win=window)


def image_loss(rendered: Tensor, image: Tensor) -> Tensor:
    """L1 on a pyramid of halved images plus 1 - SSIM, for images [N, 3, H, W]: a scalar.

    In place of the paper's L2, LPIPS and ArcFace terms, whose networks are no part of this project.
    """
    total = SSIM_WEIGHT * (1 - structural_similarity(rendered, image))
    for _ in range(PYRAMID):
        total = total + (rendered - image).abs().mean() / PYRAMID
        rendered, image = (functional.avg_pool2d(part, 2) for part in (rendered, image))
    return total


def psnr(first: Tensor, second: Tensor) -> float:
    """Peak signal-to-noise ratio of images in [-1, 1], in dB."""
    error = (first.clamp(-1, 1) - second.clamp(-1, 1)).square().mean()
    return float(10 * torch.log10(4 / error))
