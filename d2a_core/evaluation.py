"""Stage `evaluation`: held-out faces drive one another (paper, section 4.1)."""

from dataclasses import dataclass

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import animations, identity, rendering
from d2a_core.generator import Generator, broadcast
from d2a_core.geometry import normalized_mean_error
from d2a_core.landmarks import Detections, detect
from d2a_core.pictures import grid

SHEET_PAIRS = 12


@dataclass(frozen=True)
class Options:
    """Config section `evaluation`."""

    pairs: int
    passes: int
    seed: int

    @property
    def renders(self) -> int:
        """Full-size images: sources, targets, and the result of the open loop and of every pass."""
        return self.pairs * (3 + self.passes)


@dataclass(frozen=True)
class HeldOut:
    """Sources and targets: W+ [N, K, 512], full images u1 [N, R, R, 3], landmarks, embeddings [N, 128]."""

    source: Tensor
    source_images: NDArray[np.uint8]
    target_images: NDArray[np.uint8]
    source_landmarks: Detections
    target_landmarks: Detections
    source_identity: NDArray[np.float32]
    target_identity: NDArray[np.float32]


def hold_out(
    stage: animations.Stage, embedder: identity.Embedder, options: Options, progress=None
) -> HeldOut:
    """Draw twice `pairs` faces from `options.seed`; the first half are sources, the second targets.

    No stage before draws from that seed, so FAN and the directions have seen none of them. Pairs in
    which no face is found are kept and count as not found.
    """
    generator = stage.generator
    rng = torch.Generator().manual_seed(options.seed)
    with torch.no_grad():
        w = generator.map(torch.randn(2 * options.pairs, generator.z_dim, generator=rng)).cpu()
    wplus = broadcast(w, generator.num_layers)
    images = render_all(generator, wplus, progress)
    halves = images[: options.pairs], images[options.pairs :]
    landmarks = [detect(half, stage.detector, batch=4) for half in halves]
    faces = [embedder.embed(half, seen.points) for half, seen in zip(halves, landmarks, strict=True)]
    return HeldOut(wplus[: options.pairs], *halves, *landmarks, *faces)


def render_all(generator: Generator, wplus: Tensor, progress=None) -> NDArray[np.uint8]:
    """Full-size images u1 [N, R, R, 3] of W+ [N, K, 512]."""
    images = []
    for row in wplus.split(1):
        images.append(rendering.render(generator, row)[0])
        if progress is not None:
            progress.advance(1)
    return np.stack(images)


def cross_identity(
    stage: animations.Stage,
    held: HeldOut,
    embedder: identity.Embedder,
    options: Options,
    progress=None,
) -> tuple[dict[str, NDArray], NDArray[np.uint8]]:
    """Rows of pairs × passes and a sheet of faces. Pass 0 is no motion, 1 the open loop, then closed loops.

    Landmarks and identity are measured on full-size renders; `nme_*` against the target face, `csim`
    between source and result, `csim_strangers` between source and target.
    """
    rows = [measure(held, held.source_images, held.source_landmarks, embedder, step=0)]
    shown = [held.source_images, held.target_images]
    start, target = held.source_landmarks.points, held.target_landmarks.points
    paths = animations.drive(stage, held.source, start, target, passes=options.passes)
    for number, path in enumerate(paths, start=1):
        images = render_all(stage.generator, rendering.apply(held.source, path.delta), progress)
        seen = detect(images, stage.detector, batch=4)
        rows.append(measure(held, images, seen, embedder, step=number))
        shown.append(images)
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return columns, sheet(shown)


def measure(
    held: HeldOut, images: NDArray, landmarks: Detections, embedder: identity.Embedder, *, step: int
) -> dict[str, NDArray]:
    """One row a pair: errors against the target, identity against the source and between strangers."""
    target, count = held.target_landmarks.points, len(images)
    result = embedder.embed(images, landmarks.points)
    return {
        "pair": np.arange(count, dtype=np.int64),
        "pass": np.full(count, step, dtype=np.int64),
        "found": landmarks.found & held.target_landmarks.found & held.source_landmarks.found,
        "nme_inter_ocular": normalized_mean_error(landmarks.points, target),
        "nme_box": normalized_mean_error(landmarks.points, target, normaliser="box"),
        "csim": identity.cosine_similarity(held.source_identity, result),
        "csim_strangers": identity.cosine_similarity(held.source_identity, held.target_identity),
        "yaw_error": np.abs(landmarks.angles[:, 0] - held.target_landmarks.angles[:, 0]),
        "pitch_error": np.abs(landmarks.angles[:, 1] - held.target_landmarks.angles[:, 1]),
    }


def sheet(columns: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The first pairs, one a row: source, target, and the result of every pass."""
    captions = [
        "source",
        "target",
        "open loop",
        *(f"closed loop {n}" for n in range(1, len(columns) - 2)),
    ]
    rows = [[images[index] for images in columns] for index in range(min(SHEET_PAIRS, len(columns[0])))]
    return grid(rows, captions_top=captions, title="Held-out pairs")


def summarise(table: pyarrow.Table) -> dict[str, NDArray]:
    """Mean over the pairs of every pass, beside how many were found; from the rows of `cross_identity`."""
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    passes = np.unique(columns["pass"])
    means = [name for name in columns if name not in ("pair", "pass", "found")]
    summary = {"pass": passes, "pairs": np.array([np.sum(columns["pass"] == p) for p in passes])}
    summary["found"] = np.array([columns["found"][columns["pass"] == p].sum() for p in passes])
    for name in means:
        chosen = [columns[name][(columns["pass"] == p) & columns["found"]] for p in passes]
        summary[name] = np.array([values.mean() for values in chosen], dtype=np.float64)
    return summary


def markdown(summary: dict[str, NDArray]) -> str:
    """The summary as a table a person reads; NME in percent."""
    titles = {
        "pairs": "pairs",
        "found": "found",
        "nme_inter_ocular": "NME inter-ocular %",
        "nme_box": "NME box %",
        "csim": "CSIM to source",
        "csim_strangers": "CSIM of strangers",
        "yaw_error": "yaw error °",
        "pitch_error": "pitch error °",
    }
    lines = [f"| pass | {' | '.join(titles.values())} |", "| --- " * (len(titles) + 1) + "|"]
    for index, number in enumerate(summary["pass"]):
        name = {0: "no motion", 1: "open loop"}.get(int(number), f"closed loop {number - 1}")
        cells = [_cell(column, summary[column][index]) for column in titles]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(
        [
            "# Cross-identity, held-out faces",
            "",
            *lines,
            "",
            "98 FaceMesh points mapped to WFLW, full-size renders; CSIM: cosine of dlib ResNet embeddings.",
            "",
        ]
    )


def _cell(column: str, value: float) -> str:
    if column in ("pairs", "found"):
        return str(int(value))
    if column.startswith("nme"):
        return f"{100 * value:.2f}"
    return f"{value:.3f}" if column.startswith("csim") else f"{value:.1f}"
