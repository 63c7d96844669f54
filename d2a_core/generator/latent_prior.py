"""The distribution of w as a Gaussian: coordinates in which every direction is one deviation long.

An inverted code is only worth animating where the generator was trained. In these coordinates the squared
length of a code is its distance from the mean face (Mahalanobis), and a step of an optimizer is long where
faces differ much and short where they differ little (whitening as in Zhu et al., arXiv 2012.09036).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from d2a_core.generator.generator import Generator

SAMPLES = 20_000
SEED = 20_220_002  # no stage draws faces from it
SMALLEST_DEVIATION = 0.05  # of the largest: directions along which faces hardly differ stay short


@dataclass(frozen=True)
class LatentPrior:
    """`mean` [D], `axes` [D, D] (a column a principal direction of w) and the `deviation` [D] along each."""

    mean: Tensor
    axes: Tensor
    deviation: Tensor

    def encode(self, w: Tensor) -> Tensor:
        """Codes [..., D] → whitened coordinates [..., D], standard normal for sampled faces."""
        return (w - self.mean) @ self.axes / self.deviation

    def decode(self, coordinates: Tensor) -> Tensor:
        """Inverse of `encode`."""
        return self.mean + coordinates * self.deviation @ self.axes.T


def fit(generator: Generator) -> LatentPrior:
    """The prior of `generator`, from principal component analysis of sampled w."""
    rng = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        w = generator.map(torch.randn(SAMPLES, generator.z_dim, generator=rng))
    variance, axes = torch.linalg.eigh(torch.cov(w.T))
    deviation = variance.clamp(min=0).sqrt()
    return LatentPrior(w.mean(dim=0), axes, deviation.clamp(min=SMALLEST_DEVIATION * deviation.max()))
