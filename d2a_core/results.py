"""Results of a method as pictures: one a pair, and after every closed-loop pass where it has any."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d2a_core.protocols import NO_PASSES

CONTROL_SIDE = 256  # px, of noise

Picture = NDArray[np.uint8]


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


def result_name(pair: int, passes: int) -> str:
    """Where a result lies in the folder of its method, less its suffix: `1/00007` after one pass."""
    name = f"{pair:05d}"
    return name if passes == NO_PASSES else f"{passes}/{name}"


def control(kind: str, source: Picture, target: Picture, *, seed: int) -> Picture:
    """What a wrong method returns: its `source` unchanged, the `target` itself, or noise.

    Their rows must come out as no motion at full likeness, no error at a stranger's likeness, and no face.
    """
    if kind == "noise":
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (CONTROL_SIDE, CONTROL_SIDE, 3), dtype=np.uint8)
    return {"source": source, "target": target}[kind]


def control_result(kind: str, pair: Mapping[str, object], read: Callable[[str], Picture]) -> Result:
    """The `control` of one pair, whose pictures `read` gives by their paths."""
    source, target = (read(str(pair[f"{role}_image"])) for role in ("source", "target"))
    number = int(pair["pair"])
    return Result(number, NO_PASSES, control(kind, source, target, seed=number), float("nan"))
