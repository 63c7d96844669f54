"""Stage `morphs`: lead a source from one pose to another, in even visible steps (paper, Figure 9)."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation import animations, edits, retiming
from d2a_core.animation.comparison import TILE
from d2a_core.animation.filters import fill_gaps
from d2a_core.animation.retiming import Times
from d2a_core.animation.step_counts import ALONE
from d2a_core.faces.geometry import face_size, normalized_mean_error
from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.fan.closed_loop import Animator, LatentPath
from d2a_core.generator import rendering
from d2a_core.media.resampling import resize
from d2a_core.media.sheets import grid
from d2a_core.runtime import Progress
from d2a_core.store import tables

CHORDS = 12  # of the way whose lengths are taken
LOOK_SIDE, SHIFTS = 256, (-7, 0, 7)  # px: a frame is looked at nine times, each a little aside


@dataclass(frozen=True)
class Options:
    """One entry of the config section `morphs`: `frames` from the pose `start` to `end`, at `fps` Hz."""

    name: str
    source: str
    start: str
    end: str
    frames: int
    fps: float
    loop: bool


@dataclass(frozen=True)
class Morph:
    """Path of all frames and their `times`, and the landmarks `asked` [2, P, 2] of its two poses.

    `uneven` is the coefficient of variation of the landmarks' steps when frames are even on the latent way.
    """

    path: LatentPath
    times: Times
    asked: NDArray[np.float32]
    uneven: float


def morph(
    animator: Animator,
    code: NDArray,
    source: pyarrow.Table,
    poses: Sequence[pyarrow.Table],
    options: Options,
    *,
    settings: animations.Options,
    log: logging.Logger,
) -> Morph:
    """Lead the source `code` [1, K, 512] from one pose to another, given as landmark tables.

    A pose is the first row of its table, and what of it is asked for is as in an animation with these
    `settings`: with relative motion pose and expression of the face, with absolute motion its shape as well.
    The way is straight in W+, which keeps what both ends share; where on it the frames lie is measured, so
    that the landmarks go as far from each frame to the next. A loop comes back by the same way.
    """
    animator = animator.around(torch.from_numpy(code))
    asked = np.concatenate([_asked(source, table, settings) for table in poses])
    ends = _ends(animator, torch.from_numpy(code), tables.points_array(source), asked, settings)
    count = options.frames
    progress = Progress(log, "morphs", retiming.looks(count), unit="looks")
    position, points, uneven = _spaced(animator, ends, count, progress)
    order = retiming.there_and_back(count) if options.loop else np.arange(count)
    delta = between(ends.delta, position[order])
    path = LatentPath(ends.wplus[:1].expand(len(order), -1, -1), delta, ends.error, points[order])
    rate = Fraction(options.fps).limit_denominator(1001)
    return Morph(path, Times(np.arange(len(order)) / float(rate), rate), asked, uneven)


def _asked(source: pyarrow.Table, table: pyarrow.Table, settings: animations.Options) -> NDArray[np.float32]:
    """Landmarks [1, P, 2] that one pose asks of the source; its own ones stay as they are."""
    own, pose = tables.points_array(source), tables.points_array(table)[:1]
    if np.array_equal(own, pose):
        return own
    return animations.asked(source, table, replace(settings, neutral_s=None))[:1]


def _ends(
    animator: Animator, code: Tensor, source: NDArray, asked: NDArray, settings: animations.Options
) -> LatentPath:
    """Drive to both ends; where the source's own landmarks are asked for, it stays as it is."""
    start = np.broadcast_to(source, asked.shape).astype(np.float32)
    return edits.settle(animator, code.expand(2, -1, -1), start, asked, steps=settings.refinements * ALONE)


def between(ends: Tensor, position: NDArray) -> Tensor:
    """Δw [N, L, 512] at `position` [N] from 0, the first of `ends` [2, L, 512], to 1, the second."""
    share = torch.from_numpy(position).float()[:, None, None]
    return ends[:1] + share * (ends[1:] - ends[:1])


def _spaced(
    animator: Animator, ends: LatentPath, count: int, progress: Progress
) -> tuple[NDArray, NDArray, float]:
    """Space frames evenly: positions [count], landmarks [count, P, 2] there, and the variation before."""
    known = np.linspace(0, 1, retiming.looks(count))
    points = _see(animator, ends, known, progress)
    knots = np.linspace(0, len(known) - 1, CHORDS + 1).round().astype(int)
    wanted = retiming.even(known[knots], retiming.steps(points[knots]), count)
    there = retiming.at(points, known, wanted).astype(np.float32)
    return wanted, there, retiming.variation(retiming.steps(points))


def steady_look(detector: LandmarkDetector, frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Landmarks [1, P, 2] of a frame u1 [R, R, 3]: the mean of looks at shifted copies.

    A detector trembles by as much as a face moves between two frames of a slow morph, and single looks would
    measure that. The shifts cancel in the mean.
    """
    small = resize(frame[None], LOOK_SIDE)[0]
    copies = np.stack([np.roll(small, (down, right), (0, 1)) for down in SHIFTS for right in SHIFTS])
    return detector.detect(copies).points.mean(axis=0, keepdims=True, dtype=np.float64)


def _see(animator: Animator, ends: LatentPath, position: NDArray, progress: Progress) -> NDArray[np.float64]:
    """Landmarks [N, P, 2] of frames at `position` [N]; between its neighbours where no face is found."""
    frames = rendering.frames(animator.generator, ends.wplus[:1], between(ends.delta, position))
    points = np.concatenate([steady_look(animator.detector, frame) for frame in progress.over(frames)])
    return fill_gaps(points, np.isfinite(points).all(axis=(1, 2)))


class Watch:
    """Watch the frames of a morph while they stream by: the first `count`, from one pose to the other."""

    def __init__(self, detector: LandmarkDetector, *, count: int, columns: int) -> None:
        self.detector, self.count = detector, count
        self.wanted = sorted({round(x) for x in np.linspace(0, count - 1, min(columns, count))})
        self.points: list[NDArray] = []
        self.once: list[NDArray] = []
        self.tiles: list[NDArray] = []

    def over(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """Pass the frames u1 [R, R, 3] on."""
        for index, frame in enumerate(frames):
            if index < self.count:
                self.points.append(steady_look(self.detector, frame))
                self.once.append(self.detector.detect(frame[None]).points)
            if index in self.wanted:
                self.tiles.append(resize(frame[None], TILE)[0])
            yield frame

    def sheet(self) -> NDArray[np.uint8]:
        """Draw the contact sheet, u1 [H, W, 3]."""
        return grid([self.tiles], captions_top=[str(index) for index in self.wanted], tile=TILE)

    def figures(self, morph: Morph) -> dict[str, float]:
        """Measure the evenness of the frames, and how near the ends came to the poses.

        `variation` and `variation_uneven` are coefficients of variation of the landmarks' steps, with and
        without the even spacing; `variation_once` is the first of them by one look at each frame, which holds
        the detector's tremor. `step` is the mean step and `nme_start`, `nme_end` the errors of the ends, in
        inter-ocular distances.
        """
        points, once = np.concatenate(self.points), np.concatenate(self.once)
        found = np.isfinite(points).all(axis=(1, 2))
        lengths, trembling = (_known(retiming.steps(seen)) for seen in (points, once))
        errors = normalized_mean_error(points[[0, -1]], morph.asked)
        return {
            "frames": len(points),
            "lost": int((~found).sum()),
            "variation": retiming.variation(lengths),
            "variation_uneven": morph.uneven,
            "variation_once": retiming.variation(trembling),
            "step": float(lengths.mean() / face_size(points[found], "inter_ocular").mean()),
            "nme_start": float(errors[0]),
            "nme_end": float(errors[1]),
        }


def _known(lengths: NDArray) -> NDArray:
    return lengths[np.isfinite(lengths)]


def summary(figures: Mapping[str, float]) -> str:
    """Sum a morph up for its maker, in one line."""
    step, variation, uneven = (100 * figures[name] for name in ("step", "variation", "variation_uneven"))
    said = f"steps of {step:.1f} % of the eyes' distance vary by {variation:.0f} %"
    return f"{said} ({uneven:.0f} % without even spacing)"
