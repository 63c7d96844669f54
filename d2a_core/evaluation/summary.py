"""Stage `evaluation`: summaries of the scores of all methods (paper, section 4)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.evaluation.figures import COMPARED, REALISM_COLUMNS, SCORES

RESAMPLES, RESAMPLES_SEED = 2000, 0
KEYS = ("method", "passes", "protocol", "dataset")


def interval(values: NDArray, sources: NDArray) -> tuple[float, float]:
    """Bootstrap 95 % interval of the mean of `values` [n] (Efron 1979, percentiles).

    Whole `sources` [n] are resampled: pairs that share a source are no independent evidence.
    """
    names, groups = np.unique(sources, return_inverse=True)
    sums, counts = np.bincount(groups, weights=values), np.bincount(groups)
    rng = np.random.default_rng(RESAMPLES_SEED)
    drawn = rng.integers(0, len(names), (RESAMPLES, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def summarise(scores: Sequence[pyarrow.Table], realism: Sequence[pyarrow.Table]) -> list[dict[str, object]]:
    """One row for each method, number of passes, protocol and dataset: `summary`, and realism beside it."""
    known = {tuple(row[key] for key in KEYS): row for table in realism for row in table.to_pylist()}
    rows = []
    for table in scores:
        columns = {name: _array(table, name) for name in table.column_names}
        for key, chosen in groups(columns):
            row = dict(zip(KEYS, key, strict=True)) | summary(columns, chosen)
            found = known.get(key, {})
            blank = dict.fromkeys(REALISM_COLUMNS, float("nan"))
            rows.append(row | blank | {name: found[name] for name in found if name not in KEYS})
    return rows


def groups(columns: Mapping[str, NDArray]) -> list[tuple[tuple, NDArray[np.bool_]]]:
    """Every combination of `KEYS`, in order of appearance, and the rows that have it."""
    keys = list(zip(*(columns[name].tolist() for name in KEYS), strict=True))
    return [(key, np.array([other == key for other in keys])) for key in dict.fromkeys(keys)]


def summary(columns: Mapping[str, NDArray], chosen: NDArray) -> dict[str, object]:
    """Mean, median and interval of every figure over the rows in which a face was found; and the counts."""
    found = chosen & columns["found"]
    row: dict[str, object] = {
        "pairs": int(chosen.sum()),
        "missing": int(columns["missing"][chosen].sum()),
        "found": int(found.sum()),
    }
    for name in (figure.key for figure in SCORES):
        known = found & np.isfinite(columns[name])
        values = columns[name][known].astype(np.float64)
        nothing = not len(values)
        low, high = (np.nan, np.nan) if nothing else interval(values, columns["source"][known])
        row[name] = np.nan if nothing else float(values.mean())
        row[f"{name}_median"] = np.nan if nothing else float(np.median(values))
        row[f"{name}_low"], row[f"{name}_high"] = low, high
    return row


def compare(one: pyarrow.Table, other: pyarrow.Table) -> dict[str, float]:
    """Mean difference of the `COMPARED` figures, `one` less `other` on the same pairs, and its interval."""
    first, second = ({name: _array(table, name) for name in table.column_names} for table in (one, other))
    both, left, right = np.intersect1d(first["pair"], second["pair"], return_indices=True)
    found = first["found"][left] & second["found"][right]
    row = {}
    for name, figure in COMPARED.items():
        change = (first[figure.key][left] - second[figure.key][right]).astype(np.float64)
        known = found & np.isfinite(change)
        change = change[known]
        low, high = interval(change, first["source"][left][known]) if len(change) else (np.nan, np.nan)
        row[f"{name}_difference"] = float(change.mean()) if len(change) else np.nan
        row[f"{name}_difference_low"], row[f"{name}_difference_high"] = low, high
    return row


def rows_with(table: pyarrow.Table, **values: object) -> pyarrow.Table:
    """The rows of a table whose columns have these values."""
    chosen = np.ones(len(table), bool)
    for name, value in values.items():
        chosen &= _array(table, name) == value
    return table.filter(pyarrow.array(chosen))


def _array(table: pyarrow.Table, name: str) -> NDArray:
    return table.column(name).to_numpy(zero_copy_only=False)


def columns_of(rows: Sequence[Mapping[str, object]], facts: Mapping[str, object]) -> dict[str, list]:
    """Columns of a table from its rows, which all have the keys of the first, and the instruments used.

    Figures measured with another `identity` network, `detector` or `second_detector` do not compare.
    """
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    used = ("identity", "detector", "second_detector")
    return columns | {name: [facts.get(name)] * len(rows) for name in used}


def ablation_rows(
    mains: Sequence[pyarrow.Table],
    others: Sequence[pyarrow.Table],
    trained: Mapping[str, Mapping[str, int]],
) -> list[dict[str, object]]:
    """Table 2: a main method in the open loop, and other methods beside it on the same pairs.

    Each of `mains` and `others` are scores; another is compared with the main one that has its protocol.
    `trained` says what the FAN of a method was trained on, `faces` and `pair_renders`.
    """
    rows = []
    for main in mains:
        first = rows_with(main, passes=0, protocol=main["protocol"][0].as_py())
        first = rows_with(first, dataset=first["dataset"][0].as_py())
        shared = [other for other in others if other["protocol"][0] == first["protocol"][0]]
        for table in [first, *shared] if shared else []:
            same = rows_with(table, dataset=first["dataset"][0].as_py())
            (row,) = summarise([same], [])
            rows.append({**row, **compare(same, first), **trained[str(row["method"])]})
    return rows


def videos(figures: pyarrow.Table, kinds: Sequence[str]) -> pyarrow.Table:
    """The table of videos with the `kind` of each, self-driving or animation."""
    return figures.add_column(2, "kind", pyarrow.array(list(kinds)))
