"""The tables of the evaluation for a reader, in Markdown."""

from collections.abc import Mapping, Sequence

from d2a_core.evaluation import protocols
from d2a_core.evaluation.protocols import NO_PASSES

Row = Mapping[str, object]
TITLES = {
    "nme_inter_ocular": "NME inter-ocular %",
    "nme_box": "NME box %",
    "csim": "CSIM",
    "yaw_error": "yaw °",
    "pitch_error": "pitch °",
    "mouth_error": "mouth",
    "eye_error": "eyes",
}
REALISM_TITLES = {"fid": "FID", "kid": "KID", "is": "IS", "is_gap": "IS − IS of real"}
EXPLAINED = {
    protocols.CROSS: "Source i behind target i; all are different people.",
    protocols.SELF: "Source and target are one person: an augmentation of the source's code. The step is "
    "known, and so is the picture that should come out.",
    protocols.SEQUENCE: "The first sources behind frames of a clip.",
    protocols.FINETUNING: "The first sources behind targets of their own, as many for each.",
}


def markdown(rows: Sequence[Row], facts: Mapping[str, object]) -> str:
    """All rows, a section for every protocol; intervals are those of the mean."""
    lines = ["# Evaluation", ""]
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        chosen = [row for row in rows if row["protocol"] == protocol]
        titles = TITLES | (
            {"psnr": "PSNR dB", "step_error": "step error"} if protocol == protocols.SELF else {}
        )
        lines += [f"## {protocol}", "", EXPLAINED.get(str(protocol), ""), ""]
        head = ["method", "passes", "data", "pairs", "no face", *titles.values(), *REALISM_TITLES.values()]
        lines += table(head, [_cells(row, titles, REALISM_TITLES) for row in chosen])
        lines += ["", _levels(chosen), ""]
        lines += [f"{note}" for note in dict.fromkeys(row.get("note") for row in chosen) if note]
        lines.append("")
    return "\n".join([*lines, *closing(facts), ""])


def ablations_markdown(rows: Sequence[Row], facts: Mapping[str, object]) -> str:
    """Table 2: open loop, and the paired difference from the first row of a protocol."""
    lines = [
        "# Ablations",
        "",
        "Open loop, as in the paper. Differences are paired: the same pairs, less the main method.",
        "",
    ]
    head = ["method", "faces", "pair renders", "pairs", "no face", "NME inter-ocular %", "difference", "CSIM"]
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        chosen = [row for row in rows if row["protocol"] == protocol]
        lines += [f"## {protocol}", "", EXPLAINED.get(str(protocol), ""), ""]
        lines += table([*head, "difference"], [_ablation_cells(row) for row in chosen])
        lines += ["", _levels(chosen), ""]
    return "\n".join([*lines, *closing(facts), ""])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _cells(row: Row, titles: Mapping[str, str], realism: Mapping[str, str]) -> list[str]:
    passes = "–" if row["passes"] == NO_PASSES else str(row["passes"])
    missing = f" ({row['missing']} missing)" if row["missing"] else ""
    lost = int(row["pairs"]) - int(row["found"])
    return [
        str(row["method"]),
        passes,
        str(row["dataset"]),
        f"{row['pairs']}{missing}",
        str(lost),
        *(with_interval(row, name) for name in titles),
        *(number(row.get(name), name) for name in realism),
    ]


def _ablation_cells(row: Row) -> list[str]:
    changes = [_change(row, name) for name in ("nme", "csim")]
    return [
        str(row["method"]),
        *(str(row[name]) for name in ("faces", "pair_renders", "pairs")),
        str(int(row["pairs"]) - int(row["found"])),
        with_interval(row, "nme_inter_ocular"),
        changes[0],
        with_interval(row, "csim"),
        changes[1],
    ]


def _change(row: Row, name: str) -> str:
    figure = "nme_inter_ocular" if name == "nme" else name
    values = [row[f"{name}_difference{end}"] for end in ("", "_low", "_high")]
    if values[0] != values[0] or not any(values):  # nothing to compare, or the main method itself
        return "–"
    middle, low, high = (("+" if value > 0 else "") + number(value, figure) for value in values)
    return f"{middle} [{low}, {high}]"


def with_interval(row: Row, name: str) -> str:
    """Mean and interval of one figure of a row."""
    middle, low, high = (number(row[f"{name}{end}"], name) for end in ("", "_low", "_high"))
    return middle if middle == "–" else f"{middle} [{low}, {high}]"


def number(value: object, name: str) -> str:
    """A figure in the digits that it deserves; – where there is none."""
    if value is None or value != value:
        return "–"
    if name.startswith("nme"):
        return f"{100 * float(value):.2f}"
    digits = 1 if name.startswith(("yaw", "pitch", "roll", "psnr", "fid")) else 3
    return f"{float(value):.{digits}f}"


def _levels(rows: Sequence[Row]) -> str:
    known = [row for row in rows if row["csim_same"] == row["csim_same"]]
    if not known:
        return "No face was found on any result."
    same, strangers = (number(known[0][name], "csim") for name in ("csim_same", "csim_strangers"))
    return f"CSIM of a source and its mirror image: {same}; of a source and the target: {strangers}."


def closing(facts: Mapping[str, object]) -> list[str]:
    """What the figures mean, and with what they were measured."""
    return [
        f"Landmarks: {facts.get('detector')}, on full-size pictures of results and targets alike. Identity: "
        f"{facts.get('identity')}; only the distance from its two levels above means something.",
        "",
        "In brackets: bootstrap 95 % interval of the mean, sources resampled. Mouth in inter-ocular "
        "distances, eyes as opening over width. `control-source`, `control-target` and `control-noise` "
        "return the source, the target and noise: any method lies between them.",
        "",
        "The paper's IS column (0.05 to 0.4, lower is better) cannot be an Inception Score, which is at "
        "least 1; here stand the score itself, KID and the distance from the score of real pictures.",
    ]
