"""Rows of the report's tables: figures in the digits and units that a reader wants."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from d2a_core.config import BASELINES, MAIN
from d2a_core.evaluation import figures
from d2a_core.evaluation.figures import COMPARED, NOTHING, VIDEOS, Figure, Row, count, known
from d2a_core.evaluation.report.charts import passes_title

SHOWN = (
    *(*figures.REALISM, *figures.NME, *figures.PARTS, *figures.LIKENESS, *figures.ANGLES),
    *(*figures.FEATURES, *figures.STEPS, *figures.OUTSIDE, *figures.FIDELITY),
)
SCORES = tuple(figure for figure in SHOWN if figure.main)
MEDIANS = tuple(
    replace(figure, key=f"{figure.key}_median", title=f"{figure.title} median")
    for figure in COMPARED.values()
)
DETAILS = (*MEDIANS, *(figure for figure in SHOWN if not figure.main))
ABLATIONS = (
    *(Figure("faces", "faces", digits=0), Figure("pair_renders", "pair renders", digits=0)),
    *(
        column
        for name, figure in COMPARED.items()
        for column in (
            figure,
            Figure(f"{name}_difference", "difference", "", figure.digits, figure.scale, signed=True),
        )
    ),
)
VIDEO_NAMES = ("source", "clip", "kind")


@dataclass(frozen=True)
class Cell:
    """A figure as text, and its interval or spread, empty where there is none; `clear` of zero, or not."""

    value: str
    interval: str
    clear: bool


@dataclass(frozen=True)
class Line:
    """One method on one protocol and data set; `kind` is main, control or empty."""

    name: str
    passes: str
    kind: str
    pairs: str
    losses: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Group:
    """All methods on one protocol and data set."""

    title: str
    titles: tuple[str, ...]
    rows: tuple[Line, ...]
    notes: tuple[str, ...]


def number(value: object, figure: Figure) -> str:
    """A figure as a reader sees it; – for None and NaN."""
    if not known(value):
        return NOTHING
    sign = "+" if figure.signed else ""
    return f"{float(value) * figure.scale:{sign},.{figure.digits}f}".replace("-", "−")


def head(column: Figure) -> str:
    """Name and unit of a column, and which end is better."""
    return f"{column.head} {column.better}".rstrip()


def cell(row: Row, column: Figure) -> Cell:
    """The figure of a row with its interval, `_low` to `_high`, or ± `_std`, where it has one."""
    low, high, spread = (row.get(f"{column.key}_{end}") for end in ("low", "high", "std"))
    value, interval, clear = number(row.get(column.key), column), "", False
    if value != NOTHING and known(low) and known(high):
        interval = f"{number(low, column)} to {number(high, column)}"
        clear = column.signed and not float(low) <= 0 <= float(high)
    elif value != NOTHING and known(spread):
        interval = f"± {number(spread, column)}"
    return Cell(value, interval, clear)


def line(row: Row, columns: Sequence[Figure]) -> Line:
    """One row of a table."""
    name, passes = str(row["method"]), count(row, "passes")
    pairs, missing = count(row, "pairs"), count(row, "missing")
    faceless = pairs - count(row, "found") - missing
    losses = [f"{missing:,} missing"] if missing else []
    losses += [f"{faceless:,} without a face"] if faceless > 0 else []
    kind = "main" if name == MAIN else "control" if name in BASELINES else ""
    cells = tuple(cell(row, column) for column in columns)
    shown = passes_title(passes) if passes >= 0 else ""
    return Line(name, shown, kind, f"{pairs:,}", tuple(losses), cells)


def groups(rows: Iterable[Row], columns: Sequence[Figure]) -> list[Group]:
    """A table for each protocol and data set, in order of appearance; controls come last.

    Columns that are empty in all rows of a table are left out, but for realism, whose notes say why.
    """
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{row['protocol']}, {row['dataset']}", []).append(row)
    tables = []
    for title, members in found.items():
        members = sorted(members, key=lambda row: row["method"] in BASELINES)
        shown = [
            column
            for column in columns
            if column in figures.REALISM or any(known(row.get(column.key)) for row in members)
        ]
        lines = tuple(line(row, shown) for row in members)
        realism = any(column in figures.REALISM for column in shown)
        titles = tuple(head(column) for column in shown)
        tables.append(Group(title, titles, lines, notes(members) if realism else ()))
    return tables


def notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Notes of the rows on their realism, each once, with its methods unless it is all."""
    said: dict[str, list[str]] = {}
    for row in rows:
        if row.get("note"):
            said.setdefault(str(row["note"]), []).append(str(row["method"]))
    return tuple(
        f"Realism: {note}" if len(names) == len(rows) else f"Realism of {_listed(names)}: {note}"
        for note, names in said.items()
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def ablation_groups(rows: Sequence[Row]) -> list[Group]:
    """Table 2; the main method differs from itself by nothing, which is no finding."""
    blank = {f"{name}_difference": None for name in COMPARED}
    return groups([{**row, **blank} if row["method"] == MAIN else row for row in rows], ABLATIONS)


@dataclass(frozen=True)
class Listing:
    """A table of videos: names of each row, then its figures."""

    titles: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def videos(rows: Sequence[Row]) -> Listing | None:
    """One row a video, or None where there is none."""
    if not rows:
        return None
    titles = (*VIDEO_NAMES, *(head(column) for column in VIDEOS))
    lines = [
        (
            tuple(str(row[name]) for name in VIDEO_NAMES),
            tuple(number(row.get(column.key), column) for column in VIDEOS),
        )
        for row in rows
    ]
    return Listing(titles, tuple(lines))


def run_facts(facts: Mapping[str, object], rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Generator, seeds, version and what else is known of the run: names, dotted where nested, and values.

    The detectors and the identity network stand in the `rows` of scores.
    """
    used = ("detector", "second_detector", "identity")
    measured = {name: _listed([str(row[name]) for row in rows if row.get(name)]) for name in used}
    flat = _flat({name: value for name, value in measured.items() if value} | dict(facts))
    first = ("generator", "generator_sha256", "version", *used)
    order = {name: index for index, name in enumerate(first)}
    return sorted(flat, key=lambda fact: (order.get(fact[0], len(first)), not fact[0].endswith("seed")))


def _flat(facts: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append((f"{prefix}{name}", text))
    return found
