"""Wrong methods whose row of the table is known: the source, the target and noise as results."""

from collections.abc import Callable, Mapping

import numpy as np

from d2a_core.evaluation.protocols import NO_PASSES
from d2a_core.evaluation.results import Picture, Result

CONTROL_SIDE = 256  # px, of noise


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
