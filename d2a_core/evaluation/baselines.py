"""Wrong methods whose row of the table is known: the source, the target and noise as results."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from d2a_core.config import BASELINES
from d2a_core.evaluation import results
from d2a_core.evaluation.protocols import NO_PASSES, Pair
from d2a_core.evaluation.results import Picture, Result
from d2a_core.media import images
from d2a_core.runtime import Progress

SOURCE, TARGET, NOISE = BASELINES
NOISE_SIDE = 256  # px


def baseline(name: str, pair: Pair, read: Callable[[str], Picture]) -> Picture:
    """Result of a wrong method: the SOURCE unchanged, the TARGET itself, or NOISE.

    Their rows must come out as no motion at full likeness, no error at a stranger's likeness, and no face.
    `read` gives pictures by their paths.
    """
    if name == NOISE:
        rng = np.random.default_rng(pair.number)
        return rng.integers(0, 256, (NOISE_SIDE, NOISE_SIDE, 3), dtype=np.uint8)
    return read({SOURCE: pair.source_image, TARGET: pair.target_image}[name])


def keep(folders: Mapping[str, str | Path], pairs: Sequence[Pair], progress: Progress) -> None:
    """Write the pictures of each `baseline` into the folder of its name."""
    for name, folder in folders.items():
        results.keep(_results(name, progress.over(pairs)), partial(images.keep_images, folder=folder))


def _results(name: str, pairs: Iterable[Pair]) -> Iterator[Result]:
    for pair in pairs:
        yield Result(pair.number, NO_PASSES, baseline(name, pair, images.read_image), float("nan"))
