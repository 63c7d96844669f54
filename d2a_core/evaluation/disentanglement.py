"""Motion of the face when only the head is driven, and the reverse (paper, section 5, Figure 10)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray

from d2a_core.animation import animations, corrections
from d2a_core.directions import sliders
from d2a_core.evaluation.markdown import table
from d2a_core.faces import geometry, landmarks
from d2a_core.fan import closed_loop
from d2a_core.fan.groups import SplitFan
from d2a_core.fan.network import Fan
from d2a_core.store import tables

PARTS = {
    "head": ("yaw", "pitch"),
    "mouth": ("mouth_opening", "smile"),
    "eyes": ("eye_opening",),
    "brows": ("brow_height",),
}
DRIVEN = {"pose": ("head",), "expression": ("mouth", "eyes", "brows")}


@dataclass(frozen=True)
class Options:
    """Key `evaluation.disentanglement`: sources and frames of each clip, corrections of the last way."""

    sources: int
    frames: int
    corrections: int


@dataclass(frozen=True)
class Way:
    """A way of driving: the `fan`, and how many passes correct what it did."""

    fan: Fan | SplitFan
    corrections: int = 0


@dataclass(frozen=True)
class Sum:
    """Motion of a `part` when a half is driven: `along` and `share` of what is `asked`, over all clips.

    Each row weighs as the square of the motion that it was asked for, so that a still clip says nothing.
    """

    fan: str
    driven: str
    part: str
    asked: float
    along: float
    share: float


def straightest(faces: pyarrow.Table, count: int) -> NDArray[np.int64]:
    """Rows of the `count` faces that are turned least; one that is turned already cannot turn as far."""
    turned = np.abs(tables.angles_array(faces)[:, :2]).max(axis=1)
    return np.argsort(turned, kind="stable")[:count]


def ways(whole: Fan | SplitFan, separate: Fan | SplitFan, options: Options) -> dict[str, Way]:
    """The ways that are measured: one FAN for all motion, one for each half, and one with corrections."""
    return {"all": Way(whole), "groups": Way(separate), "all, corrected": Way(whole, options.corrections)}


def measure(
    animator: closed_loop.Animator,
    ways: Mapping[str, Way],
    codes: NDArray,
    faces: pyarrow.Table,
    clips: Mapping[str, pyarrow.Table],
    deviation: NDArray,
    options: Options,
    settings: animations.Options,
    *,
    progress=None,
) -> list[dict[str, object]]:
    """One row for each of the `ways`, clip, source, half that is driven ("pose", "expression") and part.

    `codes` [N, K, 512] are those of the `faces`, a landmark table, of which the `options.sources` that are
    turned least are driven by as many frames of each clip. `asked` and `moved` are root mean squares over
    the frames of what the whole motion of the clip would ask of a part and what it did: the head in degrees
    of yaw and pitch, the features in the `deviation` [A] of their attributes over the sampled faces. `along`
    is the share of what was asked that was done: the slope of the least-squares line.
    """
    rows = []
    for source in straightest(faces, options.sources):
        face = faces.slice(source, 1)
        for clip, driver in clips.items():
            moments = np.linspace(0, len(driver) - 1, min(options.frames, len(driver))).round().astype(int)
            for name, way in ways.items():
                own = replace(animator, fan=way.fan)
                steps = replace(settings, corrections=way.corrections)
                motions = _driven(own, codes[source], face, driver, moments, deviation, steps, progress)
                keys = {"fan": name, "clip": clip, "source": int(source)}
                rows += [{**keys, **row} for row in motions]
    return rows


def renders(
    clips: Mapping[str, pyarrow.Table], options: Options, ways: Mapping[str, Way], *, passes: int
) -> int:
    """Drafts that `measure` looks at, with enough faces."""
    frames = sum(min(options.frames, len(clip)) for clip in clips.values())
    looks = sum(passes + 2 + (way.corrections + 1 if way.corrections else 0) for way in ways.values())
    return options.sources * frames * len(DRIVEN) * looks


def _driven(
    animator: closed_loop.Animator,
    code: NDArray,
    face: pyarrow.Table,
    driver: pyarrow.Table,
    moments: NDArray,
    deviation: NDArray,
    settings: animations.Options,
    progress,
) -> Iterator[dict[str, object]]:
    own = landmarks.detections(face)
    rest = sliders.attributes(own)
    whole = corrections.wanted(own, animations.asked(face, driver, settings)[moments]) - rest
    start = np.repeat(own.points, len(moments), axis=0)
    wplus = torch.from_numpy(code)[None].expand(len(moments), -1, -1)
    alone = {
        "pose": replace(settings, expression_scale=0.0),
        "expression": replace(settings, pose_scale=0.0),
    }
    for half, options in alone.items():
        target = animations.asked(face, driver, options)[moments]
        *_, path = closed_loop.drive(
            animator, wplus, start, target, passes=settings.passes, progress=progress
        )
        path = corrections.corrected(animator, face, path, settings.corrections, progress)
        seen = closed_loop.detect(animator, wplus, path.delta, progress)
        change = (sliders.attributes(seen) - rest)[seen.found]
        for part, names in PARTS.items():
            columns = [geometry.ATTRIBUTES.index(name) for name in names]
            unit = 1.0 if part == "head" else deviation[columns]
            figures = (values[:, columns] / unit for values in (change, whole[seen.found]))
            yield {"driven": half, "part": part, **_figures(*figures)}


def _figures(change: NDArray, asked: NDArray) -> dict[str, float]:
    """Figures of the changes [T, D] of a part; the square root of a mean over frames of squared lengths."""
    energy, frames = np.square(asked).sum(), max(1, len(asked))
    return {
        "asked": float(np.sqrt(energy / frames)),
        "moved": float(np.sqrt(np.square(change).sum() / frames)),
        "along": float((change * asked).sum() / energy) if energy > 0 else float("nan"),
        "frames": len(asked),
    }


def columns(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The rows as columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def summary(rows: Sequence[Mapping[str, object]]) -> list[Sum]:
    """The rows of all sources and clips, for each fan, driven half and part."""
    fans = dict.fromkeys(str(row["fan"]) for row in rows)
    return [_sum(rows, *keys) for keys in product(fans, DRIVEN, PARTS)]


def _sum(rows: Sequence[Mapping[str, object]], fan: str, driven: str, part: str) -> Sum:
    chosen = [row for row in rows if (row["fan"], row["driven"], row["part"]) == (fan, driven, part)]
    asked, moved, along = (np.array([row[name] for row in chosen]) for name in ("asked", "moved", "along"))
    energy = np.square(asked).sum()
    return Sum(
        fan,
        driven,
        part,
        asked=float(np.sqrt(np.mean(np.square(asked)))),
        along=float(np.nansum(along * np.square(asked)) / energy),
        share=float(np.sqrt(np.square(moved).sum() / energy)),
    )


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """The table for a reader: shares of the driven half that are reached, and of the other that leak."""
    lines = [
        "# Disentanglement",
        "",
        "Sources behind clips of which only one half drives. `reached`: share of the motion asked for that "
        "was made. `leaked`: how much the half that should be still has moved, of what it would be asked for "
        "if it were driven (root mean squares). Heads in degrees of yaw and pitch, features in standard "
        "deviations of the sampled faces: opening and smile of the mouth, opening of the eyes, height of the "
        "brows. `corrected`: after the closed-loop passes, the controls corrected what was left.",
        "",
    ]
    head = ["FAN", "driven", "part", "asked", "reached %", "leaked %"]
    lines += table(head, [_cells(row) for row in summary(rows)])
    return "\n".join([*lines, ""])


def _cells(row: Sum) -> list[str]:
    asked = f"{row.asked:.1f}°" if row.part == "head" else f"{row.asked:.2f}"
    reached, leaked = f"{100 * row.along:.0f}", f"{100 * row.share:.0f}"
    shown = [reached, "–"] if row.part in DRIVEN[row.driven] else ["–", leaked]
    return [row.fan, row.driven, row.part, asked, *shown]
