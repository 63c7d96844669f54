"""Stage `pairs`: augmented faces around sampled ones (paper, section 3.2, "Augmentation", equations 1 and 2).

How the threshold follows from the samples: the paper holds the distance of an altered w from the latent
mean under a fixed number that it does not give. `directions.latent_radius` takes a quantile of that
distance over the sampled latents instead, so it fits any generator.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import rendering
from d2a_core.directions import basis
from d2a_core.generator import Generator, broadcast
from d2a_core.landmarks import LandmarkDetector
from d2a_core.samples import Samples

FREEDOM = 0.5  # share of the radius that any source may move at a right angle to its offset


@dataclass(frozen=True)
class Plan:
    """What one shard of pairs is made of."""

    shard: int
    sources_per_shard: int
    per_source: int
    seed: int

    def renders(self, faces: int) -> int:
        """Images to render from a shard with this many faces."""
        return min(self.sources_per_shard, faces) * self.per_source


def renorm(delta: Tensor, wplus: Tensor, mean_w: Tensor, *, radius: float) -> Tensor:
    """Factor [N, L] in [0, 1] by which each layer of `delta` [N, L, 512] must shrink to stay within `radius`.

    Layer by layer, the largest t with ‖(w - w̄) + t·δ‖ ≤ τ: with a = δ·δ, b = (w - w̄)·δ and
    c = ‖w - w̄‖² - τ², t = (-b + √(b² - a·c)) / a, clipped to [0, 1]. A source near the sphere or beyond
    could not move at all; it may go `FREEDOM`·radius sideways: τ² is at least ‖w - w̄‖² + (FREEDOM·radius)².
    `wplus` is [N, L, 512].
    """
    offset = wplus - mean_w
    beyond = offset.square().sum(dim=-1) + (FREEDOM * radius) ** 2
    tau = beyond.clamp(min=radius**2).sqrt()
    a = delta.square().sum(dim=-1).clamp(min=1e-12)
    b = (offset * delta).sum(dim=-1)
    c = offset.square().sum(dim=-1) - tau.square()
    root = (b.square() - a * c).clamp(min=0).sqrt()
    return ((root - b) / a).clamp(0, 1)


def draw(
    vector: Tensor, wplus: Tensor, mean_w: Tensor, *, radius: float, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One augmentation of each W+ [N, L, 512]: Δw = u·t ∘ Σ rᵢ vᵢ with r ~ U(-1, 1), re-normed per layer.

    `vector` is [M, L, 512]. The sum of many directions nearly always reaches the threshold, so all faces
    would lie on its sphere; u = √U(0, 1), one number a face, fills the ball and gives FAN small motions
    to learn from too. Returns Δw [N, L, 512] and the weights r [N, M] before the re-norm.
    """
    r = torch.rand(len(wplus), len(vector), generator=rng) * 2 - 1
    delta = (r @ vector.flatten(1)).unflatten(1, vector.shape[1:])
    shrink = renorm(delta, wplus, mean_w, radius=radius)
    reach = torch.rand(len(wplus), 1, generator=rng).sqrt()
    return delta * (shrink * reach)[..., None], r


def augment(
    generator: Generator,
    detector: LandmarkDetector,
    faces: Samples,
    directions: Mapping[str, NDArray],
    plan: Plan,
    *,
    size: int,
    batch: int = 8,
    progress=None,
) -> dict[str, NDArray]:
    """Augment the first faces of a shard `per_source` times each: S sources, A augmentations.

    `directions` is the store of that stage, M the size of its `basis`. Returns `source_id` [S],
    `source_w` [S, 512], `source_points` [S, P, 2], `weight` r [S, A, M], `delta` [S, A, L, 512], `points`
    [S, A, P, 2] and `found` [S, A]. The draws depend on (seed, shard) alone.
    """
    rng = torch.Generator().manual_seed(plan.seed * 1_000_003 + plan.shard)
    vector, mean_w = torch.from_numpy(basis(directions)), torch.from_numpy(directions["mean_w"])
    count = min(plan.sources_per_shard, len(faces.w))
    source = torch.from_numpy(faces.w[:count]).repeat_interleave(plan.per_source, dim=0)
    base = broadcast(source, vector.shape[1])
    delta, weight = draw(vector, base, mean_w, radius=float(directions["radius"][0]), rng=rng)
    points, found = [], []
    for w, move in zip(source.split(batch), delta.split(batch), strict=True):
        moved = rendering.apply(broadcast(w, generator.num_layers), move)
        detections = detector.detect(rendering.render(generator, moved, size))
        points.append(detections.points)
        found.append(detections.found)
        if progress is not None:
            progress.advance(len(w), found=float(np.concatenate(found).mean()))
    groups = (count, plan.per_source)
    return {
        "source_id": faces.sample_id[:count],
        "source_w": faces.w[:count],
        "source_points": faces.points[:count],
        "weight": weight.numpy().reshape(*groups, -1),
        "delta": delta.numpy().reshape(*groups, *delta.shape[1:]),
        "points": np.concatenate(points).reshape(*groups, -1, 2),
        "found": np.concatenate(found).reshape(groups),
    }
