"""How much of the face moves when only the head is driven, and the reverse (paper, section 5, Figure 10)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray

from d2a_core import animations, geometry, io
from d2a_core.heads import lift
from d2a_core.schemes import Scheme, scheme_of
from d2a_core.score_tables import table

PARTS = ("head", "mouth", "eyes", "brows")
DRIVEN = {"pose": ("head",), "expression": ("mouth", "eyes", "brows")}


@dataclass(frozen=True)
class Options:
    """Key `evaluation.disentanglement`: sources of each clip, and frames of it."""

    sources: int
    frames: int


def measure(
    stage: animations.Stage,
    fans: Mapping[str, object],
    codes: NDArray,
    faces: pyarrow.Table,
    clips: Mapping[str, pyarrow.Table],
    options: Options,
    settings: animations.Options,
    *,
    progress=None,
) -> list[dict[str, object]]:
    """One row for each of the `fans`, clip, source, half that is driven ("pose", "expression") and part.

    `codes` [N, K, 512] are those of the `faces`, a landmark table, of which the first `options.sources` are
    driven by as many frames of each clip. `asked` and `moved` are root mean squares over the frames of what
    the whole motion of the clip would ask of a part and what it did: the head in degrees of yaw and pitch,
    the features in inter-ocular distances, turned to the front. `along` is the share of what was asked that
    was done: the slope of the least-squares line.
    """
    rows = []
    for source in range(min(options.sources, len(codes))):
        face = faces.slice(source, 1)
        for clip, driver in clips.items():
            moments = np.linspace(0, len(driver) - 1, min(options.frames, len(driver))).round().astype(int)
            for fan, network in fans.items():
                motions = _driven(
                    replace(stage, fan=network), codes[source], face, driver, moments, settings, progress
                )
                keys = {"fan": fan, "clip": clip, "source": source}
                rows += [{**keys, **row} for row in motions]
    return rows


def renders(sources: int, clips: Sequence[pyarrow.Table], options: Options, *, fans: int, passes: int) -> int:
    """Drafts that `measure` looks at."""
    frames = sum(min(options.frames, len(clip)) for clip in clips)
    return min(options.sources, sources) * frames * fans * len(DRIVEN) * (passes + 1)


def _driven(
    stage: animations.Stage,
    code: NDArray,
    face: pyarrow.Table,
    driver: pyarrow.Table,
    moments: NDArray,
    settings: animations.Options,
    progress,
) -> Iterator[dict[str, object]]:
    scheme = scheme_of(io.points_array(face).shape[1])
    rest = _measures(io.angles_array(face), io.points_array(face, "canonical"), scheme)
    whole = _asked(face, driver, settings, moments, scheme)
    start = np.repeat(io.points_array(face), len(moments), axis=0)
    wplus = torch.from_numpy(code)[None].expand(len(moments), -1, -1)
    for half in DRIVEN:
        still = {f"{other}_scale": 0.0 for other in DRIVEN if other != half}
        target = animations.asked(face, driver, replace(settings, **still))[moments]
        *_, path = animations.drive(stage, wplus, start, target, passes=settings.passes)
        seen = animations.detect(stage, wplus, path.delta, progress)
        moved = _measures(seen.angles, seen.canonical, scheme)
        for part in PARTS:
            change = (moved[part] - rest[part])[seen.found]
            yield {"driven": half, "part": part, **_figures(change, whole[part][seen.found])}


def _asked(
    face: pyarrow.Table,
    driver: pyarrow.Table,
    settings: animations.Options,
    moments: NDArray,
    scheme: Scheme,
) -> dict[str, NDArray]:
    """Changes [T, D] by part that the whole motion of the clip asks for."""
    points = animations.asked(face, driver, settings)[moments]
    heads, source = lift(points, scheme), lift(io.points_array(face), scheme)
    wanted = _measures(geometry.angles_of(heads.rotation), heads.shape[..., :2], scheme)
    rest = _measures(geometry.angles_of(source.rotation), source.shape[..., :2], scheme)
    return {part: wanted[part] - rest[part] for part in PARTS}


def _measures(angles: NDArray, canonical: NDArray, scheme: Scheme) -> dict[str, NDArray]:
    """Yaw and pitch [T, 2] of the head, and the points [T, 2·P] of each feature, turned to the front."""
    features = {part: canonical[:, list(scheme.parts[part])] for part in DRIVEN["expression"]}
    return {"head": angles[:, :2]} | {part: flat.reshape(len(flat), -1) for part, flat in features.items()}


def _figures(change: NDArray, asked: NDArray) -> dict[str, float]:
    """Figures of the changes [T, D] of a part; the square root of a mean over frames of squared lengths."""
    energy = np.square(asked).sum()
    frames = max(1, len(asked))
    points = 1 if asked.shape[1] == 2 else asked.shape[1] / 2  # the mean point of a feature
    return {
        "asked": float(np.sqrt(energy / frames / points)),
        "moved": float(np.sqrt(np.square(change).sum() / frames / points)),
        "along": float((change * asked).sum() / energy) if energy > 0 else float("nan"),
        "frames": len(asked),
    }


def columns(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The rows as columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def summary(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Over all sources and clips, for each fan, driven half and part: `along` and `share` of what is asked.

    Each row weighs as the square of the motion that it was asked for, so that a still clip says nothing.
    """
    found = []
    for fan in dict.fromkeys(row["fan"] for row in rows):
        for half in DRIVEN:
            for part in PARTS:
                chosen = [
                    row for row in rows if (row["fan"], row["driven"], row["part"]) == (fan, half, part)
                ]
                asked, moved, along = (
                    np.array([row[name] for row in chosen]) for name in ("asked", "moved", "along")
                )
                energy = np.square(asked).sum()
                found.append(
                    {
                        "fan": fan,
                        "driven": half,
                        "part": part,
                        "asked": float(np.sqrt(np.mean(np.square(asked)))),
                        "along": float(np.nansum(along * np.square(asked)) / energy),
                        "share": float(np.sqrt(np.square(moved).sum() / energy)),
                    }
                )
    return found


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """The table for a reader: how much of the driven half is reached, how much of the other one leaks."""
    lines = [
        "# Disentanglement",
        "",
        "Sources behind clips of which only one half drives. `reached`: share of the motion asked for that "
        "was made. `leaked`: how much the half that should be still has moved, of what it would be asked for "
        "if it were driven (root mean squares). Both after the closed-loop passes.",
        "",
    ]
    head = ["FAN", "driven", "part", "asked", "reached %", "leaked %"]
    lines += table(head, [_cells(row) for row in summary(rows)])
    return "\n".join([*lines, ""])


def _cells(row: Mapping[str, object]) -> list[str]:
    driven = row["part"] in DRIVEN[str(row["driven"])]
    asked = f"{row['asked']:.1f}°" if row["part"] == "head" else f"{row['asked']:.3f}"
    shown = [f"{100 * row['along']:.0f}", "–"] if driven else ["–", f"{100 * row['share']:.0f}"]
    return [str(row["fan"]), str(row["driven"]), str(row["part"]), asked, *shown]
