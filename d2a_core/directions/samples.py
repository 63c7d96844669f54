"""Sampled faces as the stages after detection need them: latents beside landmarks, faces only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.faces import geometry
from d2a_core.faces.schemes import Scheme, scheme_of
from d2a_core.store import tables


@dataclass(frozen=True)
class Samples:
    """`sample_id` [N], `w` [N, 512], `points` and `canonical` [N, P, 2], `angles` [N, 3] in degrees."""

    sample_id: NDArray[np.int64]
    w: NDArray[np.float32]
    points: NDArray[np.float32]
    canonical: NDArray[np.float32]
    angles: NDArray[np.float32]

    @property
    def scheme(self) -> Scheme:
        """Meaning of the P points."""
        return scheme_of(self.points.shape[1])

    @property
    def attributes(self) -> dict[str, NDArray]:
        """Measured attributes of every face, [N] each: see `geometry.attributes`."""
        return geometry.attributes(self.points, self.canonical, self.angles, self.scheme)

    @property
    def inter_ocular(self) -> float:
        """Median distance of the outer eye corners, in fractions of the side."""
        left, right = self.scheme.outer_eyes
        return float(np.median(np.linalg.norm(self.points[:, left] - self.points[:, right], axis=-1)))


def join(latents: Mapping[str, NDArray], table: pyarrow.Table) -> Samples:
    """Faces that were found, from the latents and the landmark table of the same shards.

    Raises ValueError when the two do not hold the same samples.
    """
    ids = table.column("sample_id").to_numpy()
    if not np.array_equal(ids, latents["sample_id"]):
        raise ValueError(
            "latents and landmarks hold different samples; delete results/landmarks and run again"
        )
    found = table.column("found").to_numpy(zero_copy_only=False)
    if not found.any():
        raise ValueError(f"no face found in {len(ids)} samples; lower landmarks.min_score")
    return Samples(
        sample_id=ids[found],
        w=latents["w"][found],
        points=tables.points_array(table, "points")[found],
        canonical=tables.points_array(table, "canonical")[found],
        angles=tables.angles_array(table)[found],
    )
