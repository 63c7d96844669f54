"""Gradient steps along a clip: each frame goes on from what the one before it needed."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from d2a_core.animation.filters import fill_gaps, runs
from d2a_core.directions.ball import Ball
from d2a_core.fan.image_loss import Faces, ImageLoss
from d2a_core.fan.refinement import Refinement
from d2a_core.runtime import Progress

EVERY = 2  # frames from one that takes steps to the next: a blink is longer
KEPT = 0.9  # of what the steps added to the frame before, from which a frame starts
FIRST = 4  # times as many steps for the first frame of a shot, which starts from nothing
SMOOTHING = 1.0  # frames, σ of a Gaussian over what the steps add: they jump to and fro


def refine_in_place(
    loss: ImageLoss,
    ball: Ball,
    face_of: Callable[[int], Faces],
    wplus: Tensor,
    delta: Tensor,
    goal: Tensor,
    *,
    steps: int,
    shot: NDArray,
    progress: Progress | None = None,
) -> None:
    """Refine a clip: every `EVERY`th frame takes `steps`, the others lie between.

    `face_of` gives the face [1] of a frame and `wplus` [1 or T, K, 512] the codes. `delta` [T, L, 512] leads
    towards the landmarks `goal` [T, P, 2]; `shot` [T] is the number of the shot. What the steps add is
    smoothed along time, and the sums stay inside the ball.
    """
    keys, added = key_frames(shot), torch.zeros_like(delta)
    last = 0
    for index in np.flatnonzero(keys).tolist():
        frame = slice(index, index + 1)
        if index == 0 or shot[index] != shot[last]:
            way = Refinement(loss, ball, face_of(index), delta[frame], goal[frame])
            found = way.take(FIRST * steps, progress)
        else:
            way.turn_to(face_of(index), delta[frame] + KEPT * added[last], goal[frame])
            found = way.take(steps, progress)
        added[frame], last = found - delta[frame], index
    for layer in range(delta.shape[1]):  # one at a time: a clip's steps are large
        moved = fill_gaps(added[:, layer].numpy(), keys)
        for run in runs(shot):
            moved[run] = gaussian_filter1d(moved[run], SMOOTHING, axis=0, mode="nearest")
        delta[:, layer] += torch.from_numpy(moved).float()
    delta.copy_(ball.renorm(delta, wplus))


def key_frames(shot: NDArray) -> NDArray[np.bool_]:
    """Whether each frame [T] takes steps: first and last of its `shot` [T], every `EVERY`th between."""
    keys = np.zeros(len(shot), bool)
    for run in runs(shot):
        keys[run][::EVERY] = True
        keys[run.stop - 1] = True
    return keys


def count(shot: NDArray, steps: int) -> int:
    """Gradient steps that `refine_in_place` takes."""
    return steps * int(key_frames(shot).sum() + (FIRST - 1) * len(runs(shot)))
