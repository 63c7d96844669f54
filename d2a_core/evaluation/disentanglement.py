"""Motion of the face when only the head is driven, and the reverse (paper, section 5, Figure 10)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray

from d2a_core.animation import animations, edits
from d2a_core.animation.step_counts import ALONE
from d2a_core.evaluation.markdown import table
from d2a_core.faces import geometry, landmarks
from d2a_core.faces.heads import lift
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.schemes import scheme_of
from d2a_core.fan import closed_loop
from d2a_core.fan.conditioned import ConditionedFan
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
    """Key `evaluation.disentanglement`: sources, and frames of each clip."""

    sources: int
    frames: int


@dataclass(frozen=True)
class Way:
    """A way of driving: the `fan`, and how many gradient steps follow."""

    fan: Fan | ConditionedFan | SplitFan
    steps: int = 0


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


def ways(
    whole: Fan | ConditionedFan | SplitFan, separate: Fan | ConditionedFan | SplitFan, refinements: int
) -> dict[str, Way]:
    """The ways that are measured: one FAN for all motion, one for each half, and both with gradient steps.

    A frame takes as many steps as a face alone, where poses take `refinements`.
    """
    plain = {"all": Way(whole), "groups": Way(separate)}
    steps = ALONE * refinements
    refined = {f"{name}, refined": replace(way, steps=steps) for name, way in plain.items() if steps}
    return plain | refined


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
                motions = _driven(
                    own, codes[source], face, driver, moments, deviation, settings, way.steps, progress
                )
                keys = {"fan": name, "clip": clip, "source": int(source)}
                rows += [{**keys, **row} for row in motions]
    return rows


def count(clips: Mapping[str, pyarrow.Table], options: Options, ways: Mapping[str, Way]) -> int:
    """Drafts that `measure` looks at, with enough faces: each step is one, and the end."""
    frames = sum(min(options.frames, len(clip)) for clip in clips.values())
    return options.sources * frames * len(DRIVEN) * sum(way.steps + 1 for way in ways.values())


def _driven(
    animator: closed_loop.Animator,
    code: NDArray,
    face: pyarrow.Table,
    driver: pyarrow.Table,
    moments: NDArray,
    deviation: NDArray,
    settings: animations.Options,
    steps: int,
    progress,
) -> Iterator[dict[str, object]]:
    own = landmarks.detections(face)
    rest = landmarks.attributes(own)
    whole = _wanted(own, animations.asked(face, driver, settings)[moments])
    start = np.repeat(own.points, len(moments), axis=0)
    wplus = torch.from_numpy(code)[None].expand(len(moments), -1, -1)
    animator = animator.around(wplus)
    alone = {
        "pose": replace(settings, expression_scale=0.0),
        "expression": replace(settings, pose_scale=0.0),
    }
    for half, options in alone.items():
        target = animations.asked(face, driver, options)[moments]
        path = edits.settle(animator, wplus, start, target, steps=steps, progress=progress)
        seen = closed_loop.detect(animator, wplus, path.delta, progress)
        change = (landmarks.attributes(seen) - rest)[seen.found]
        for part, names in PARTS.items():
            columns = [geometry.ATTRIBUTES.index(name) for name in names]
            unit = 1.0 if part == "head" else deviation[columns]
            figures = (values[:, columns] / unit for values in (change, whole[seen.found]))
            yield {"driven": half, "part": part, **_figures(*figures)}


def _wanted(source: Detections, target: NDArray) -> NDArray[np.float64]:
    """Change [T, A] of the attributes that landmarks `target` [T, P, 2] ask of the face `source` [1].

    Both are lifted over the same depth, as those of the target were made.
    """
    return _lifted(target) - _lifted(source.points)


def _lifted(points: NDArray) -> NDArray[np.float64]:
    """Attributes [T, A] of flat points [T, P, 2], over the depth of the mean face."""
    heads = lift(points, scheme_of(points.shape[1]))
    angles, found = geometry.angles_of(heads.rotation), np.ones(len(points), bool)
    canonical = heads.shape[..., :2].astype(np.float32)
    return landmarks.attributes(Detections(points, found.astype(np.float32), found, angles, canonical))


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
        "brows. `refined`: gradient steps went on from where FAN arrived.",
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
