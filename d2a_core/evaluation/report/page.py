"""The report of the evaluation: one page that holds all of its pictures and needs no network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import jinja2
import numpy as np
import pyarrow
from markupsafe import Markup
from numpy.typing import NDArray

from d2a_core.config import BASELINES, MAIN
from d2a_core.evaluation import figures
from d2a_core.evaluation.figures import BY_KEY, PARTS, Figure, Row, count, value
from d2a_core.evaluation.protocols import CROSS
from d2a_core.evaluation.report import charts, paper, rows
from d2a_core.evaluation.report.charts import Series, data_uri, passes_title
from d2a_core.evaluation.report.examples import examples

FRAME = "results/evaluation/frames/{method}/{passes}/{pair:05d}.png"
UNMOVED = BASELINES[0]
EXAMPLES_EACH = 2
EXAMPLE_SIDE, EXAMPLE_BYTES = 320, 60_000  # px and bytes of a JPEG; a page of noise stays below 15 MB
GALLERY_SIDE, GALLERY_BYTES = 1600, 1_200_000
SHEET_SIDE, SHEET_BYTES = 1400, 600_000
MOST_SHEETS = 12
CURVES = {
    "faces": "sampled faces",
    "pairs": "augmented renders",
}  # of scaling, by prefix of the method: x axis
COUNTS = {"faces": "faces", "pairs": "pair_renders"}
EXAMPLE_TITLES = {"nme_inter_ocular": "By landmark error (NME inter-ocular)", "csim": "By likeness (CSIM)"}
CAPTIONED = (
    *(BY_KEY[key] for key in ("nme_inter_ocular", "csim", "yaw_error")),
    Figure("target_yaw", "target", digits=1),
)
TITLES = {
    "run": "What was run",
    "reading": "How to read this",
    "scores": "Table 1: scores",
    "ablations": "Table 2: ablations",
    "scaling": "Error over training data",
    "yaw": "Error over the target's yaw",
    "parts": "Error of each part of the face",
    "examples": "Best, median and worst results",
    "directions": "Directions",
    "sheets": "Animations",
    "videos": "Videos",
    "definitions": "Methods and definitions",
}
ALWAYS = ("run", "reading", "scores", "definitions")

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Tables:
    """Tables of the evaluation stage; None for what was not measured.

    `summary` has one row for each method, number of passes, protocol and data set; `scores` has one for each
    pair of these and is needed of the main method alone; `pairs` says which pictures a pair is of.
    """

    summary: pyarrow.Table
    scores: pyarrow.Table
    pairs: pyarrow.Table
    ablations: pyarrow.Table | None = None
    videos: pyarrow.Table | None = None


@dataclass(frozen=True)
class Pictures:
    """Reader of pictures, RGB u1 [H, W, 3] by path, and paths of those beside the results."""

    read: Callable[[str], Picture]
    gallery: Sequence[str] = ()
    sheets: Sequence[str] = ()


@dataclass(frozen=True)
class Drawing:
    """A chart as inline SVG."""

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Shown:
    """A picture as a data URI, with its text for screen readers."""

    uri: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Triple:
    """Source, target and result of one pair; `kind` is best, median or worst."""

    kind: str
    caption: str
    images: tuple[Shown, ...]


def page(facts: Mapping[str, object], tables: Tables, pictures: Pictures) -> str:
    """The report as HTML. `facts` say how the tables were made, as their metadata does.

    Sections without data are left out.
    """
    summary = tables.summary.to_pylist()
    ablations = [] if tables.ablations is None else tables.ablations.to_pylist()
    others = {row["method"] for row in ablations} - {MAIN}
    ours = [row for row in summary if row["method"] not in others]
    kinds = rows.SCORES, rows.DETAILS
    sections = {
        "run": rows.run_facts(facts, summary),
        "scored": list(zip(*(rows.groups(ours, kind) for kind in kinds), strict=True)),
        "ablations": rows.ablation_groups(ablations),
        "scaling": scaling(ablations),
        "yaw": yaw(tables.scores),
        "parts": parts(ours),
        "examples": shown_examples(tables, pictures),
        "directions": directions(pictures),
        "sheets": sheets(pictures),
        "videos": rows.videos([] if tables.videos is None else tables.videos.to_pylist()),
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("d2a_core.evaluation.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        **sections,
        titles={name: title for name, title in TITLES.items() if name in ALWAYS or sections[name]},
        paper=paper,
        definitions=figures.definitions(),
        left_out=max(0, len(pictures.sheets) - MOST_SHEETS),
    )


def scaling(ablations: Sequence[Row]) -> list[Drawing]:
    """NME over the number of faces and of augmented renders that FAN learned from, cross-identity.

    The curves go through the methods that `ablations.scaling` names and the main one.
    """
    drawings = []
    for dataset in _datasets(ablations):
        rows = [row for row in ablations if row["protocol"] == CROSS and row["dataset"] == dataset]
        panels = {}
        for prefix, label in CURVES.items():
            curves = _curves([row for row in rows if _on_curve(str(row["method"]), prefix)], COUNTS[prefix])
            if curves:
                panels[f"number of {label}"] = curves
        if panels:
            title = f"Landmark error over what the network was trained on, {dataset}"
            caption = f"{title}. Bars: bootstrap 95 % intervals of the mean."
            drawings.append(Drawing(charts.scaling_chart(panels, title=title), caption))
    return drawings


def _on_curve(method: str, prefix: str) -> bool:
    return method == MAIN or method.startswith(f"{prefix}-")


def _curves(rows: Sequence[Row], amount: str) -> list[Series]:
    """A curve over the numbers `amount` for each number of passes with two points or more."""
    curves = []
    for passes in sorted({count(row, "passes") for row in rows}):
        chosen = [row for row in rows if row["passes"] == passes]
        points = sorted(chosen, key=lambda row: count(row, amount))
        x = np.array([count(row, amount) for row in points])
        if len(np.unique(x)) > 1:
            curves.append(_series(passes_title(passes), x, points, ["nme_inter_ocular"]))
    return curves


def _series(
    name: str, x: NDArray, rows: Sequence[Row], keys: Sequence[str], *, muted: bool = False
) -> Series:
    """NME in % of the columns `keys` of `rows`, one behind the other, with their intervals."""
    middle, low, high = (
        np.array([100 * value(row, f"{key}{end}") for row in rows for key in keys])
        for end in ("", "_low", "_high")
    )
    return Series(name, x, middle, low, high, muted)


def yaw(scores: pyarrow.Table) -> list[Drawing]:
    """NME of the main method over the yaw of the target, cross-identity: a chart for each data set."""
    columns = {
        name: scores[name].to_numpy(zero_copy_only=False)
        for name in ("method", "protocol", "dataset", "passes", "found", "target_yaw", "nme_inter_ocular")
    }
    known = (columns["method"] == MAIN) & (columns["protocol"] == CROSS) & columns["found"].astype(bool)
    known &= np.isfinite(columns["target_yaw"]) & np.isfinite(columns["nme_inter_ocular"])
    drawings = []
    for dataset in dict.fromkeys(columns["dataset"][known]):
        passes = {}
        for number in np.unique(columns["passes"][known & (columns["dataset"] == dataset)]):
            chosen = known & (columns["dataset"] == dataset) & (columns["passes"] == number)
            passes[int(number)] = columns["target_yaw"][chosen], 100 * columns["nme_inter_ocular"][chosen]
        title = f"Landmark error over the yaw of the target, {dataset}"
        caption = (
            f"{title}. A dot is a pair; line: means over {charts.BIN_DEGREES}° with 95 % intervals "
            f"(1.96 standard errors), bins of at least {charts.FEWEST_IN_BIN} pairs."
        )
        drawings.append(Drawing(charts.yaw_chart(passes, title=title), caption))
    return drawings


def parts(summary: Sequence[Row]) -> list[Drawing]:
    """NME of each part of the face for every number of passes beside no motion, a chart a data set."""
    names = [figure.title.removeprefix("NME ") for figure in PARTS]
    drawings, x = [], np.arange(len(names), dtype=float)
    for dataset in _datasets(summary):
        rows = [row for row in summary if row["protocol"] == CROSS and row["dataset"] == dataset]
        keys = [figure.key for figure in PARTS]
        still = [_series("no motion", x, [row], keys, muted=True) for row in rows if row["method"] == UNMOVED]
        moved = [row for row in rows if row["method"] == MAIN]
        bars = still + [_series(passes_title(count(row, "passes")), x, [row], keys) for row in moved]
        if bars:
            title = f"Landmark error of each part of the face, {dataset}"
            caption = f"{title}. Bars: bootstrap 95 % intervals of the mean."
            drawings.append(Drawing(charts.bar_chart(names, bars, title=title), caption))
    return drawings


def _datasets(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(str(row["dataset"]) for row in rows if row["protocol"] == CROSS))


def shown_examples(tables: Tables, pictures: Pictures) -> dict[str, list[Triple]]:
    """Best, median and worst results of the main method after its last pass, cross-identity, by title."""
    rows = tables.summary.to_pylist()
    passes = max((count(row, "passes") for row in rows if row["method"] == MAIN), default=None)
    if passes is None:
        return {}
    paths = {row["pair"]: row for row in tables.pairs.to_pylist()}
    chosen = {}
    for by, title in EXAMPLE_TITLES.items():
        found = examples(tables.scores, by, method=MAIN, passes=passes, protocol=CROSS, count=EXAMPLES_EACH)
        triples = [
            _triple(kind, row, paths[row["pair"]], pictures.read) for kind in found for row in found[kind]
        ]
        if triples:
            chosen[f"{title}, {passes_title(passes)}"] = triples
    return chosen


def _triple(kind: str, row: Row, pair: Row, read: Callable[[str], Picture]) -> Triple:
    result = FRAME.format(method=row["method"], passes=row["passes"], pair=row["pair"])
    images = {
        f"Source {row['source']}": str(pair["source_image"]),
        f"Target {row['target']}": str(pair["target_image"]),
        f"Result: {row['source']} moved like {row['target']}": result,
    }
    nme, csim, error, turn = (rows.number(row[column.key], column) for column in CAPTIONED)
    caption = (
        f"{row['source']} behind {row['target']}, {row['dataset']}: NME {nme} %, CSIM {csim}, "
        f"yaw off by {error}° where the target's is {turn}°."
    )
    return Triple(
        kind,
        caption,
        tuple(
            Shown(data_uri(read(path), side=EXAMPLE_SIDE, most_bytes=EXAMPLE_BYTES), alt)
            for alt, path in images.items()
        ),
    )


def directions(pictures: Pictures) -> list[Shown]:
    """The gallery of directions."""
    alt = "One face moved along the strongest directions, a row each, in five steps from minus to plus."
    return [
        Shown(
            data_uri(pictures.read(path), side=GALLERY_SIDE, most_bytes=GALLERY_BYTES),
            alt,
            "What the strongest directions do to one face.",
        )
        for path in pictures.gallery
    ]


def sheets(pictures: Pictures) -> list[Shown]:
    """Contact sheets of animations, called `{source}--{clip}.sheet.png`; only the first of many."""
    shown = []
    for path in pictures.sheets[:MOST_SHEETS]:
        source, _, clip = PurePath(path).name.removesuffix(".sheet.png").partition("--")
        uri = data_uri(pictures.read(path), side=SHEET_SIDE, most_bytes=SHEET_BYTES)
        caption = f"{source} driven by {clip}: source, driver and result."
        shown.append(Shown(uri, f"Contact sheet of {source} driven by {clip}", caption))
    return shown
