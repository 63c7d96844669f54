"""Rows of the report's tables: figures in the digits and units that a reader wants."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from d2a_core.evaluation.report.charts import passes_title
from d2a_core.evaluation.report.paper import CONTROLS

Row = Mapping[str, object]
MAIN = "d2animator"
CROSS = "cross-identity"
NOTHING = "–"
REALISM = ("fid", "kid", "is", "is_gap")


@dataclass(frozen=True)
class Column:
    """A figure of a row, `key` in the table, shown times `scale` with `digits` behind the point."""

    key: str
    title: str
    digits: int = 3
    scale: float = 1.0
    signed: bool = False


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


SCORES = (
    *(Column("fid", "FID ↓", 1), Column("kid", "KID × 1000 ↓", 2, 1000)),
    *(Column("is", "IS ↑", 2), Column("is_gap", "IS − IS of real", 2, signed=True)),
    *(Column("nme_inter_ocular", "NME inter-ocular % ↓", 2, 100), Column("nme_box", "NME box % ↓", 2, 100)),
    *(
        Column("csim", "CSIM ↑"),
        Column("csim_strangers", "CSIM of strangers"),
        Column("csim_same", "CSIM of the same"),
    ),
    *(Column(f"{name}_error", f"{name} ° ↓", 1) for name in ("yaw", "pitch", "roll")),
)
DETAILS = (
    *(Column("nme_inter_ocular_median", "NME median % ↓", 2, 100), Column("csim_median", "CSIM median ↑")),
    Column("nme_inter_pupil", "NME inter-pupil % ↓", 2, 100),
    *(
        Column(f"nme_{part}", f"NME {part} % ↓", 2, 100)
        for part in ("contour", "brows", "eyes", "nose", "mouth")
    ),
    *(
        Column(f"{name}_error", f"{title} ↓")
        for name, title in (("mouth", "mouth"), ("eye", "eyes"), ("gaze", "gaze"), ("step", "step error"))
    ),
    *(Column("psnr", "PSNR dB ↑", 1), Column("ms_ssim", "MS-SSIM ↑")),
)
ABLATIONS = (
    *(Column("faces", "faces", 0), Column("pair_renders", "pair renders", 0)),
    *(
        Column("nme_inter_ocular", "NME % ↓", 2, 100),
        Column("nme_difference", "difference", 2, 100, signed=True),
    ),
    *(Column("csim", "CSIM ↑"), Column("csim_difference", "difference", signed=True)),
)
VIDEO_NAMES = ("source", "clip", "kind")
VIDEOS = (
    *(
        Column("nme", "NME against driver % ↓", 2, 100),
        Column("nme_target", "NME against what was asked for % ↓", 2, 100),
    ),
    *(
        Column("identity", "CSIM ↑"),
        Column("least_identity", "least CSIM ↑"),
        Column("identity_deviation", "CSIM deviation over frames ↓"),
    ),
    *(
        Column("driver_identity", "CSIM with the driver"),
        Column("driver_identity_source", "source's CSIM with the driver"),
        Column("driver_strangers", "strangers' CSIM with the driver"),
        Column("driver_strangers_high", "95 % of strangers below"),
    ),
    *(Column("jitter", "jitter % ↓", 2, 100), Column("driver_jitter", "driver's jitter %", 2, 100)),
    *(Column(f"{name}_correlation", f"{name} correlation ↑", 2) for name in ("yaw", "mouth", "eye")),
    *(Column("frames", "frames", 0), Column("lost", "lost", 0)),
)


def number(value: object, column: Column) -> str:
    """A figure as a reader sees it; – for None and NaN."""
    if not known(value):
        return NOTHING
    sign = "+" if column.signed else ""
    return f"{float(value) * column.scale:{sign},.{column.digits}f}".replace("-", "−")


def known(value: object) -> bool:
    """Whether there is a figure: neither None nor NaN."""
    return value is not None and not math.isnan(float(value))


def cell(row: Row, column: Column) -> Cell:
    """The figure of a row with its interval, `_low` to `_high`, or ± `_std`, where it has one."""
    low, high, spread = (row.get(f"{column.key}_{end}") for end in ("low", "high", "std"))
    value, interval, clear = number(row.get(column.key), column), "", False
    if value != NOTHING and known(low) and known(high):
        interval = f"{number(low, column)} to {number(high, column)}"
        clear = column.signed and not low <= 0 <= high
    elif value != NOTHING and known(spread):
        interval = f"± {number(spread, column)}"
    return Cell(value, interval, clear)


def line(row: Row, columns: Sequence[Column]) -> Line:
    """One row of a table."""
    name, pairs, missing = str(row["method"]), int(row["pairs"]), int(row["missing"])
    faceless = pairs - int(row["found"]) - missing
    losses = [f"{missing:,} missing"] if missing else []
    losses += [f"{faceless:,} without a face"] if faceless > 0 else []
    kind = "main" if name == MAIN else "control" if name in CONTROLS else ""
    passes = passes_title(int(row["passes"])) if int(row["passes"]) >= 0 else ""
    cells = tuple(cell(row, column) for column in columns)
    return Line(name, passes, kind, f"{pairs:,}", tuple(losses), cells)


def groups(rows: Iterable[Row], columns: Sequence[Column]) -> list[Group]:
    """A table for each protocol and data set, in order of appearance; controls come last.

    Columns that are empty in all rows of a table are left out, but for realism, whose notes say why.
    """
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{row['protocol']}, {row['dataset']}", []).append(row)
    tables = []
    for title, members in found.items():
        members = sorted(members, key=lambda row: row["method"] in CONTROLS)
        shown = [
            column
            for column in columns
            if column.key in REALISM or any(known(row.get(column.key)) for row in members)
        ]
        lines = tuple(line(row, shown) for row in members)
        realism = any(column.key in REALISM for column in shown)
        titles = tuple(column.title for column in shown)
        tables.append(Group(title, titles, lines, notes(members) if realism else ()))
    return tables


def notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """What the rows say of their realism, each once, with the methods that it is said of unless it is all."""
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
    blank = {"nme_difference": None, "csim_difference": None}
    return groups([row | blank if row["method"] == MAIN else row for row in rows], ABLATIONS)


@dataclass(frozen=True)
class Listing:
    """A table of videos: names of each row, then its figures."""

    titles: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def videos(rows: Sequence[Row]) -> Listing | None:
    """One row a video, or None where there is none."""
    if not rows:
        return None
    titles = (*VIDEO_NAMES, *(column.title for column in VIDEOS))
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

    The detector and the identity network stand in the `rows` of scores.
    """
    measured = {
        name: _listed([str(row[name]) for row in rows if row.get(name)]) for name in ("detector", "identity")
    }
    flat = _flat({name: value for name, value in measured.items() if value} | dict(facts))
    first = ("generator", "generator_sha256", "version", "detector", "identity")
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
