"""Typical faces of a generator: where they lie on a picture, and how alike strangers among them are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.faces import alignment, schemes
from d2a_core.faces.alignment import Layout
from d2a_core.faces.schemes import Scheme
from d2a_core.store import arrays, tables

STRANGERS = 64  # sampled faces that tell how alike two people are who have nothing to do with each other


@dataclass(frozen=True)
class Reference:
    """Landmarks `points` [1, P, 2] of the typical face, and embeddings of `strangers` [S, E].

    Landmarks of another detector than FFHQ's sit slightly elsewhere; taking the generator's own faces
    as reference removes that shift.
    """

    points: NDArray[np.float32]
    strangers: NDArray[np.float32]

    @property
    def scheme(self) -> Scheme:
        """Scheme of the points."""
        return schemes.scheme_of(self.points.shape[1])

    @property
    def layout(self) -> Layout:
        """Crop of the typical face."""
        return alignment.layout(self.points, self.scheme)


def measure(samples: pyarrow.Table, strangers: NDArray[np.float32]) -> Reference:
    """Measure the landmark table of all `samples`; `strangers` [S, E] are embeddings of some of them.

    The typical face has the median of every coordinate.
    """
    known = tables.points_array(samples)[samples.column("found").to_numpy(zero_copy_only=False)]
    return Reference(np.median(known, axis=0, keepdims=True).astype(np.float32), strangers)


def to_arrays(reference: Reference) -> dict[str, NDArray]:
    """Arrays to store: `points` [1, P, 2] and `strangers` [S, E]."""
    return {"points": reference.points, "strangers": reference.strangers}


def from_arrays(stored: Mapping[str, NDArray]) -> Reference:
    """Inverse of `to_arrays`."""
    return Reference(stored["points"], stored["strangers"])


def read(path: str | Path) -> Reference:
    """Read what the stage `landmarks` has measured."""
    return from_arrays(arrays.read_zarr(path, ["points", "strangers"]))
