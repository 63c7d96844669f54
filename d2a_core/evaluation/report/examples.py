"""Choose the pairs to show."""

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.evaluation.figures import BY_KEY, HIGH

KINDS = ("best", "median", "worst")


def examples(
    scores: pyarrow.Table,
    by: str,
    *,
    method: str,
    passes: int,
    protocol: str,
    count: int = 1,
) -> dict[str, list[dict[str, object]]]:
    """Rows of `scores` to show: the `count` best, middle and worst of a method by the column `by`.

    Only pairs of that protocol and number of passes with a picture, a face and a known figure take part;
    equal figures go by the number of the pair. No row is shown twice: where there are few, the median goes
    first.
    """
    columns = {
        name: scores[name].to_numpy(zero_copy_only=False)
        for name in ("method", "passes", "protocol", "missing", "found", "pair", by)
    }
    chosen = (columns["method"] == method) & (columns["passes"] == passes) & (columns["protocol"] == protocol)
    chosen &= columns["found"].astype(bool) & ~columns["missing"].astype(bool) & np.isfinite(columns[by])
    known = np.flatnonzero(chosen)
    cost = -columns[by][known] if BY_KEY[by].better == HIGH else columns[by][known]
    ranked = known[np.lexsort((columns["pair"][known], cost))]
    return {
        kind: scores.take(pyarrow.array(rows)).to_pylist()
        for kind, rows in zip(KINDS, _split(ranked, count), strict=True)
    }


def _split(ranked: NDArray[np.int64], count: int) -> tuple[NDArray, NDArray, NDArray]:
    """The first, middle and last `count` of `ranked`, the worst first among the last."""
    best = ranked[:count]
    worst = ranked[max(count, len(ranked) - count) :][::-1]
    between = ranked[len(best) : len(ranked) - len(worst)]
    start = max(0, (len(between) - count) // 2)
    return best, between[start : start + count], worst
