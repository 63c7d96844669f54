"""Random numbers of single samples.

What is drawn for a sample depends on (stage, seed, sample id) alone: the size of shards, their order and the
number of samples change nothing of it. NumPy's seed sequences keep streams apart whose keys differ by little.
"""

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def normal(stage: str, seed: int, ids: Iterable[int], count: int) -> NDArray[np.float32]:
    """Standard normal numbers, one row of `count` for each of the `ids`: [N, count]."""
    return np.stack([_stream(stage, seed, one).standard_normal(count, dtype=np.float32) for one in ids])


def uniform(stage: str, seed: int, ids: Iterable[int], count: int) -> NDArray[np.float32]:
    """Numbers from U[0, 1), one row of `count` for each of the `ids`: [N, count]."""
    return np.stack([_stream(stage, seed, one).random(count, dtype=np.float32) for one in ids])


def _stream(stage: str, seed: int, sample_id: int) -> np.random.Generator:
    return np.random.default_rng((zlib.crc32(stage.encode()), seed, int(sample_id)))
