"""Results of a method as pictures: one a pair, and after every closed-loop pass where it has any."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d2a_core.evaluation.protocols import NO_PASSES, Pair

Picture = NDArray[np.uint8]
Find = Callable[
    [Pair, int], Picture | None
]  # a result u1 [H, W, 3] after so many passes, None: there is none


@dataclass(frozen=True)
class Result:
    """The picture u1 [R, R, 3] that a method made for a pair with so many closed-loop passes.

    `step_error` is ‖Δw - Δw*‖² / ‖Δw*‖² where the true step Δw* is known, else NaN.
    """

    pair: int
    passes: int
    image: Picture
    step_error: float


def keep(
    results: Iterable[Result], write: Callable[[Iterable[tuple[str, Picture]]], Iterable]
) -> dict[str, list]:
    """Write the pictures under the names of `result_name`; returns columns pair, passes and step_error."""
    rows: dict[str, list] = {"pair": [], "passes": [], "step_error": []}

    def named() -> Iterator[tuple[str, Picture]]:
        for result in results:
            for name, column in rows.items():
                column.append(getattr(result, name))
            yield result_name(result.pair, result.passes), result.image

    for _ in write(named()):
        pass
    return rows


def count(methods: Sequence[str], pairs: Sequence[Pair], passes: Sequence[int]) -> int:
    """Pictures that methods have made of the pairs."""
    return len(methods) * len(pairs) * len(passes)


def result_name(pair: int, passes: int) -> str:
    """Path of a result in the folder of its method, without suffix: `1/00007` after one pass."""
    name = f"{pair:05d}"
    return name if passes == NO_PASSES else f"{passes}/{name}"
