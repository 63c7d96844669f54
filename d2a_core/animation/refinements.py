"""Gradient steps along a clip: its poses first, then each frame from what the one before it needed."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from d2a_core.animation.filters import fill_gaps, runs
from d2a_core.animation.poses import Poses
from d2a_core.animation.step_counts import key_frames, of_frame
from d2a_core.directions.ball import Ball
from d2a_core.fan.image_loss import Faces, ImageLoss
from d2a_core.fan.refinement import Refinement
from d2a_core.runtime import Progress, give_back_freed_memory

CHAIN = 24  # frames at most that take steps one after the other; several chains go on at a time
KEPT = 0.9  # of what the steps added to the frame before, from which a frame starts
SMOOTHING = 2.0  # frames, σ of a Gaussian over what the steps of frames add: they jump to and fro


def refine_in_place(
    loss: ImageLoss,
    ball: Ball,
    faces_of: Callable[[Tensor], Faces],
    wplus: Tensor,
    delta: Tensor,
    goal: Tensor,
    *,
    poses: Poses,
    steps: int,
    shot: NDArray,
    progress: Progress | None = None,
) -> None:
    """Refine a clip: its `poses` take so many `steps`, and every frame gets its share of what they add.

    Then every `EVERY`th frame takes a few, in `chains`, and the others lie between. `faces_of` gives the
    faces of some rows, and `wplus` [1 or T, K, 512] are the codes. `delta` [T, L, 512] leads towards the
    landmarks `goal` [T, P, 2]; `shot` [T] is the number of the shot. The sums stay inside the ball.
    """
    start = delta[poses.rows]
    way = Refinement(loss, ball, faces_of(poses.rows), start, goal[poses.rows])
    added = way.settle(steps, progress) - start
    for layer in range(delta.shape[1]):  # one at a time: a clip's steps are large
        delta[:, layer] += poses.spread(added[:, layer])
    delta.copy_(ball.renorm(delta, wplus))
    _follow(loss, ball, faces_of, delta, goal, steps=of_frame(steps), shot=shot, progress=progress)
    delta.copy_(ball.renorm(delta, wplus))
    give_back_freed_memory()  # the frames are rendered next, without gradients


def _follow(
    loss: ImageLoss,
    ball: Ball,
    faces_of: Callable[[Tensor], Faces],
    delta: Tensor,
    goal: Tensor,
    *,
    steps: int,
    shot: NDArray,
    progress: Progress | None,
) -> None:
    """Add to `delta` what steps on every `EVERY`th frame find, smoothed along each shot."""
    keys, added = key_frames(shot), torch.zeros_like(delta)

    def take(chain: NDArray[np.int64]) -> None:
        way, last = None, 0
        for index in chain.tolist():
            frame, face = slice(index, index + 1), faces_of(torch.tensor([index]))
            if way is None:
                way = Refinement(loss, ball, face, delta[frame], goal[frame])
            else:
                way.turn_to(face, delta[frame] + KEPT * added[last], goal[frame])
            added[frame], last = way.take(steps, progress) - delta[frame], index

    list(loss.pool.map(take, chains(keys, shot)))
    for layer in range(delta.shape[1]):
        moved = fill_gaps(added[:, layer].numpy(), keys)
        for run in runs(shot):
            moved[run] = gaussian_filter1d(moved[run], SMOOTHING, axis=0, mode="nearest")
        delta[:, layer] += torch.from_numpy(moved).float()


def chains(keys: NDArray[np.bool_], shot: NDArray) -> list[NDArray[np.int64]]:
    """Frames that take steps in turn, as even parts of a `shot` [T] of at most `CHAIN` of its `keys` [T].

    Several chains go on at a time. Their number does not depend on that of the threads, so that the bits do
    not either.
    """
    parts = [run.start + np.flatnonzero(keys[run]) for run in runs(shot)]
    return [chain for part in parts for chain in np.array_split(part, math.ceil(len(part) / CHAIN))]


def count(poses: Poses, shot: NDArray, steps: int) -> int:
    """Gradient steps that `refine_in_place` takes."""
    return steps * len(poses.rows) + of_frame(steps) * int(key_frames(shot).sum())
