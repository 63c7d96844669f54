"""Longest steps of a latent before faces break (paper, section 3.2, "Augmentation").

The paper holds the distance of an altered w from the latent mean under a fixed number that it does not
give. Here the threshold is a quantile of that distance over the sampled latents, so it fits any generator.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FREEDOM = 0.5  # share of the radius that any source may move at a right angle to its offset
STORED = ("mean_w", "radius", "reach")


@dataclass(frozen=True)
class Ball:
    """The ball of the sampled latents: its centre `mean_w` [D], its `radius`, the longest step `reach`."""

    mean_w: Tensor
    radius: float
    reach: float

    def renorm(self, delta: Tensor, wplus: Tensor) -> Tensor:
        """`delta` [N, L, D], each layer shortened as far as the ball asks for; `wplus` [N, ≥ L, D]."""
        return delta * self.shrink(delta, wplus)[..., None]

    def shrink(self, delta: Tensor, wplus: Tensor) -> Tensor:
        """Factor [N, L] in [0, 1] by which each layer of `delta` must shrink.

        Layer by layer, the largest t with ‖(w - w̄) + t·δ‖ ≤ τ and t·‖δ‖ ≤ reach: with a = δ·δ,
        b = (w - w̄)·δ and c = ‖w - w̄‖² - τ², t = (-b + √(b² - a·c)) / a. A source near the sphere or
        beyond could not move at all; it may go `FREEDOM`·radius sideways: τ² is at least
        ‖w - w̄‖² + (FREEDOM·radius)².
        """
        offset = wplus[:, : delta.shape[1]] - self.mean_w.to(wplus)
        square = offset.square().sum(dim=-1)
        tau_square = (square + (FREEDOM * self.radius) ** 2).clamp(min=self.radius**2)
        a = delta.square().sum(dim=-1).clamp(min=1e-12)
        b = (offset * delta).sum(dim=-1)
        root = (b.square() - a * (square - tau_square)).clamp(min=0).sqrt()
        return torch.minimum((root - b) / a, self.reach / a.sqrt()).clamp(0, 1)


def measure(
    w: NDArray, mean_w: NDArray, *, radius_quantile: float, reach: float
) -> dict[str, NDArray[np.float32]]:
    """Arrays of the ball around the samples w [N, D], to be stored: see `STORED`.

    The radius is the distance from the mean within which `radius_quantile` of the samples lie: inside that
    ball the generator was trained. `reach` is the longest step as a share of the radius.
    """
    radius = float(np.quantile(np.linalg.norm(w - mean_w, axis=1), radius_quantile))
    values = {"mean_w": mean_w, "radius": [radius], "reach": [reach * radius]}
    return {name: np.asarray(value, dtype=np.float32) for name, value in values.items()}


def from_store(store: Mapping[str, NDArray]) -> Ball:
    """The ball that `measure` put into the store of the directions."""
    return Ball(torch.from_numpy(store["mean_w"]), float(store["radius"][0]), float(store["reach"][0]))
