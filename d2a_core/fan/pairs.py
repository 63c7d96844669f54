"""Stage `pairs`: augmented faces around sampled ones (paper, section 3.2, "Augmentation", equations 1 and 2).

`directions.ball` says how the threshold of the re-norm follows from the samples.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions import ball
from d2a_core.directions.ball import Ball
from d2a_core.directions.directions import basis
from d2a_core.directions.samples import Samples
from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.generator import detection, seeds
from d2a_core.generator.generator import Generator, broadcast
from d2a_core.runtime import Progress


@dataclass(frozen=True)
class Plan:
    """Recipe of one shard of pairs."""

    shard: int
    group: str
    sources_per_shard: int
    per_source: int
    seed: int

    def renders(self, faces: int) -> int:
        """Count the images to render from a shard with this many faces."""
        return min(self.sources_per_shard, faces) * self.per_source


def draw(vector: Tensor, wplus: Tensor, ball: Ball, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Augment each W+ [N, L, 512] once: Δw = u·t ∘ Σ rᵢ vᵢ with r ~ U(-1, 1), re-normed per layer.

    `vector` is [M, L, 512], `uniform` [N, M + 1] holds numbers from U(0, 1). The sum of many directions
    nearly always reaches the threshold, so all faces would lie on its sphere; u = √U(0, 1), one number a
    face, fills the ball and gives FAN small motions to learn from too. Returns Δw [N, L, 512] and the
    weights r [N, M] before the re-norm.
    """
    r = uniform[:, :-1] * 2 - 1
    delta = (r @ vector.flatten(1)).unflatten(1, vector.shape[1:])
    share = uniform[:, -1, None, None].sqrt()
    return share * ball.renorm(delta, wplus), r


def augment(
    generator: Generator,
    detector: LandmarkDetector,
    faces: Samples,
    directions: Mapping[str, NDArray],
    plan: Plan,
    *,
    size: int,
    progress: Progress | None = None,
) -> dict[str, NDArray]:
    """Augment the first faces of a shard `per_source` times each: S sources, A augmentations.

    `directions` is the store of that stage, M the size of its `basis`. Returns `source_id` [S],
    `source_w` [S, 512], `source_points` [S, P, 2], `weight` r [S, A, M], `delta` [S, A, L, 512], `points`
    [S, A, P, 2] and `found` [S, A]. The draws of a source depend on (seed, its id) alone.
    """
    count = min(plan.sources_per_shard, len(faces.w))
    wplus = broadcast(torch.from_numpy(faces.w[:count]), generator.num_layers)
    drawn = augment_codes(
        generator,
        detector,
        wplus,
        directions,
        plan.per_source,
        group=plan.group,
        stage="pairs",
        seed=plan.seed,
        ids=faces.sample_id[:count],
        size=size,
        progress=progress,
    )
    return {
        "source_id": faces.sample_id[:count],
        "source_w": faces.w[:count],
        "source_points": faces.points[:count],
        **drawn,
    }


def augment_codes(
    generator: Generator,
    detector: LandmarkDetector,
    wplus: Tensor,
    directions: Mapping[str, NDArray],
    per_source: int,
    *,
    group: str,
    stage: str,
    seed: int,
    ids: Iterable[int],
    size: int,
    progress: Progress | None = None,
) -> dict[str, NDArray]:
    """Move each W+ [S, K, 512] `per_source` times along directions of `group` and detect the drafts.

    The draws of a source depend on `stage`, `seed` and its one of the `ids` [S] alone; more of them leave the
    first as they are.

    Returns `weight` [S, A, M], `delta` [S, A, L, 512], `points` [S, A, P, 2] and `found` [S, A].
    """
    groups = (len(wplus), per_source)
    source = wplus.repeat_interleave(per_source, dim=0)
    vector = torch.from_numpy(basis(directions, group))
    numbers = seeds.uniform(stage, seed, ids, per_source * (len(vector) + 1))
    uniform = torch.from_numpy(numbers).reshape(len(source), -1)
    delta, weight = draw(vector, source[:, : vector.shape[1]], ball.from_store(directions), uniform)
    seen = detection.detect(generator, detector, source, delta, size=size, progress=progress)
    return {
        "weight": weight.numpy().reshape(*groups, -1),
        "delta": delta.numpy().reshape(*groups, *delta.shape[1:]),
        "points": seen.points.reshape(*groups, -1, 2),
        "found": seen.found.reshape(groups),
    }
