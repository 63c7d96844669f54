"""Previews: in about half a minute, how a photo will move; smaller, at a lower rate and moving less.

The encoder gives the code its start, a few steps on drafts bring it nearer, and FAN leads it alone. What a
photo takes longest for, its code and the gradient steps behind a clip, is left to the true animation.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation import animations, performances
from d2a_core.animation.retiming import Times
from d2a_core.faces import controls, landmarks, stitching
from d2a_core.fan import closed_loop
from d2a_core.fan.closed_loop import Animator
from d2a_core.generator import rendering
from d2a_core.inversion import inversion
from d2a_core.inversion.inversion import Judges
from d2a_core.media import resampling
from d2a_core.store import tables

SECONDS = 3.2  # that a face without a driver moves


@dataclass(frozen=True)
class Options:
    """Config section `preview`."""

    size: int
    fps: float
    steps: int
    refinements: int


@dataclass(frozen=True)
class Subject:
    """A face to preview: its code `wplus` [1, K, D], the `photo` and the `still` of the code u1 [S, S, 3].

    `landmarks` is the table of the still.
    """

    wplus: NDArray[np.float32]
    photo: NDArray[np.uint8]
    still: NDArray[np.uint8]
    landmarks: pyarrow.Table


def hurried(options: inversion.Options, preview: Options, *, started: bool) -> inversion.Options:
    """Inversion of a preview: its steps on drafts, first on one code where no encoder has `started` it."""
    steps = {"w_steps": 0 if started else preview.steps, "wplus_steps": preview.steps, "full_steps": 0}
    return replace(options, method="optimize", tune=False, **steps)


def of_photo(
    animator: Animator,
    judges: Judges,
    photo: NDArray[np.uint8],
    start: NDArray | None,
    options: inversion.Options,
    preview: Options,
) -> Subject:
    """Find a code of an aligned photo u1 [R, R, 3] in a hurry, from what an encoder made of it, if any.

    Raises ValueError where no face is seen on the photo or on what its code shows.
    """
    network = animator.followed.generator
    fitted = inversion.fitted(photo, network)
    likeness = inversion.likeness_to(fitted, judges, options)
    quick = hurried(options, preview, started=start is not None)
    known = None if start is None else torch.from_numpy(start)
    code = inversion.optimize(network, likeness, animator.followed.prior, quick, start=known)
    return of_code(animator, code.wplus, fitted, preview)


def of_code(
    animator: Animator, wplus: NDArray[np.float32], photo: NDArray[np.uint8], preview: Options
) -> Subject:
    """Look at the face of a code [1, K, D] whose picture, or photo, is `photo` u1 [R, R, 3]."""
    still = rendering.render(animator.generator, torch.from_numpy(wplus))
    seen = animator.detector.detect(still)
    if not seen.found[0]:
        raise ValueError("no face is seen on a first look at the photo; leave --preview out, or give another")
    table = pyarrow.table(dict(landmarks.table(seen, sample_id=[0])))
    small, shown = (resampling.resize(picture, preview.size)[0] for picture in (photo[None], still))
    return Subject(wplus, small, shown, table)


def behind(
    animator: Animator,
    subject: Subject,
    driver: pyarrow.Table,
    rate: Fraction,
    options: animations.Options,
    preview: Options,
    *,
    log: logging.Logger,
) -> tuple[Tensor, Times]:
    """Lead a face behind a driving table of `rate` Hz: Δw [T, L, 512] and the times of its frames.

    The `options` are those of the true animation.
    """
    fps = min(preview.fps, options.fps or float(rate))
    quick = replace(options, refinements=preview.refinements, fps=fps)
    path = animations.follow(
        animator, subject.wplus, subject.landmarks, driver, quick, rate_hz=float(rate), log=log
    )
    path, times = animations.retimed(path, driver, quick, rate)
    return path.delta, times


def moves(animator: Animator, subject: Subject, preview: Options) -> tuple[Tensor, Times]:
    """Let a face turn, blink, speak and smile without a driver: Δw [T, L, 512] and the times of its frames.

    It plays the score of the project's own clip.
    """
    points, angles = tables.points_array(subject.landmarks), tables.angles_array(subject.landmarks)
    poses = performances.poses()
    goal = np.concatenate([controls.asked(points, angles, values) for values in poses])
    codes, start = torch.from_numpy(subject.wplus).expand(len(poses), -1, -1), points.repeat(len(poses), 0)
    delta = performances.played(
        closed_loop.lead(animator, codes, start, goal).delta, seconds=SECONDS, fps=preview.fps
    )
    shown = Fraction(preview.fps).limit_denominator(1001)
    return delta, Times(np.arange(len(delta)) / float(shown), shown)


def frames(
    animator: Animator, subject: Subject, delta: Tensor, surroundings: str, preview: Options
) -> Iterator[NDArray[np.uint8]]:
    """Frames u1 [size, size, 3] of a face along `delta` [T, L, 512]; see `stitching` for `surroundings`."""
    surround = stitching.of_photo(surroundings, subject.photo, subject.still, animator.detector)
    rendered = rendering.frames(animator.generator, torch.from_numpy(subject.wplus), delta)
    return surround(resampling.resize(frame[None], preview.size)[0] for frame in rendered)
