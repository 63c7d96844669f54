"""The tables of the evaluation for a reader, in Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from d2a_core.evaluation import figures, protocols
from d2a_core.evaluation.figures import (
    ANGLES,
    COMPARED,
    FEATURES,
    FIDELITY,
    LIKENESS,
    NME,
    NOTHING,
    OUTSIDE,
    STEPS,
    Figure,
    Row,
    count,
    known,
    value,
)
from d2a_core.evaluation.markdown import table
from d2a_core.evaluation.protocols import NO_PASSES

SCORES = tuple(
    figure
    for family in (NME, LIKENESS, ANGLES, FEATURES, OUTSIDE, FIDELITY, STEPS)
    for figure in family
    if figure.brief
)
# As they are computed, which is how papers print them.
FID, *OTHERS = figures.REALISM
REALISM = (FID, *(replace(figure, unit="", digits=3, scale=1, signed=False) for figure in OTHERS))
REMARK = (
    "",
    "The paper's IS column (0.05 to 0.4, lower is better) cannot be an Inception Score, which is at least 1; "
    "here stand the score itself, KID and the distance from the score of real pictures.",
)
EXPLAINED = {
    protocols.CROSS: "Source i behind target i; all are different people.",
    protocols.SELF: "Source and target are one person: an augmentation of the source's code. The step is "
    "known, and so is the picture that should come out.",
    protocols.SEQUENCE: "The first sources behind frames of a clip.",
    protocols.FINETUNING: "The first sources behind targets of their own, as many for each.",
}


def markdown(rows: Sequence[Row], facts: Mapping[str, object]) -> str:
    """All rows, a section for every protocol; intervals are those of the mean."""
    return "\n".join(["# Evaluation", "", *_sections(rows), *closing(facts), *REMARK, ""])


def first_markdown(rows: Sequence[Row], facts: Mapping[str, object], *, whole: int) -> str:
    """Rows of the first pairs, of which there are `whole`."""
    pairs = count(rows[0], "pairs")
    lines = [
        "# A first look",
        "",
        f"The first {pairs} of {whole} held-out pairs. `snakemake evaluation` measures all of them, on every "
        "protocol, beside other methods: see `table.md` and `report.html`.",
        "",
    ]
    return "\n".join([*lines, *_sections(rows), *closing(facts), ""])


def _sections(rows: Sequence[Row]) -> list[str]:
    lines = []
    realism = REALISM if any("note" in row for row in rows) else ()  # nobody has looked for it
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        chosen = [row for row in rows if row["protocol"] == protocol]
        scores = [figure for figure in SCORES if figure.protocol in ("", protocol)]
        lines += [f"## {protocol}", "", EXPLAINED.get(str(protocol), ""), ""]
        head = ["method", "passes", "data", "pairs", "no face"]
        head += [figure.head for figure in (*scores, *realism)]
        lines += table(head, [_cells(row, scores, realism) for row in chosen])
        lines += ["", _levels(chosen), ""]
        lines += [f"{note}" for note in dict.fromkeys(row.get("note") for row in chosen) if note]
        lines.append("")
    return lines


def ablations_markdown(rows: Sequence[Row], facts: Mapping[str, object]) -> str:
    """Table 2: open loop, and the paired difference from the first row of a protocol."""
    lines = [
        "# Ablations",
        "",
        "Open loop, as in the paper. Differences are paired: the same pairs, less the main method.",
        "",
    ]
    head = ["method", "faces", "pair renders", "pairs", "no face"]
    for figure in COMPARED.values():
        head += [figure.head, "difference"]
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        chosen = [row for row in rows if row["protocol"] == protocol]
        lines += [f"## {protocol}", "", EXPLAINED.get(str(protocol), ""), ""]
        lines += table(head, [_ablation_cells(row) for row in chosen])
        lines += ["", _levels(chosen), ""]
    return "\n".join([*lines, *closing(facts), *REMARK, ""])


def _cells(row: Row, scores: Sequence[Figure], realism: Sequence[Figure]) -> list[str]:
    passes = NOTHING if row["passes"] == NO_PASSES else str(row["passes"])
    missing = f" ({row['missing']} missing)" if row["missing"] else ""
    return [
        str(row["method"]),
        passes,
        str(row["dataset"]),
        f"{row['pairs']}{missing}",
        _faceless(row),
        *(with_interval(row, figure) for figure in scores),
        *(number(row.get(figure.key), figure) for figure in realism),
    ]


def _ablation_cells(row: Row) -> list[str]:
    cells = [str(row[name]) for name in ("method", "faces", "pair_renders", "pairs")] + [_faceless(row)]
    for name, figure in COMPARED.items():
        cells += [with_interval(row, figure), _change(row, name, figure)]
    return cells


def _faceless(row: Row) -> str:
    return str(count(row, "pairs") - count(row, "found"))


def _change(row: Row, name: str, figure: Figure) -> str:
    values = [value(row, f"{name}_difference{end}") for end in ("", "_low", "_high")]
    if not known(values[0]) or not any(values):  # nothing to compare, or the main method itself
        return NOTHING
    middle, low, high = (("+" if value > 0 else "") + number(value, figure) for value in values)
    return f"{middle} [{low}, {high}]"


def with_interval(row: Row, figure: Figure) -> str:
    """Mean and interval of one figure of a row."""
    middle, low, high = (number(row[f"{figure.key}{end}"], figure) for end in ("", "_low", "_high"))
    return middle if middle == NOTHING else f"{middle} [{low}, {high}]"


def number(value: object, figure: Figure) -> str:
    """A figure in its unit and digits; – where there is none."""
    return f"{figure.scale * float(value):.{figure.digits}f}" if known(value) else NOTHING


def _levels(rows: Sequence[Row]) -> str:
    found = [row for row in rows if known(row["csim_same"])]
    if not found:
        return "No face was found on any result."
    same, strangers = (number(found[0][key], figures.BY_KEY[key]) for key in ("csim_same", "csim_strangers"))
    return f"CSIM of a source and its mirror image: {same}; of a source and the target: {strangers}."


def closing(facts: Mapping[str, object]) -> list[str]:
    """Meaning of the figures, and the instruments."""
    return [
        f"Landmarks: {facts.get('detector')}, on full-size pictures of results and targets alike; NME dlib: "
        f"{facts.get('second_detector')}, which no stage uses. Identity: {facts.get('identity')}; only the "
        "distance from its two levels above means something. Where FAN is trained on pictures (`fan.loss: "
        "image`, `identity_weight` above 0) dlib's network was a term of its loss; ArcFace, when given, "
        "never is.",
        "",
        "In brackets: bootstrap 95 % interval of the mean, sources resampled. Mouth in inter-ocular "
        "distances, eyes as opening over width. PSNR outside: against the source, beside both faces. "
        "`control-source`, `control-target` and `control-noise` return the source, the target and noise: any "
        "method lies between them.",
    ]
