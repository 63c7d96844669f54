"""Edits: a face is asked for other landmarks; FAN leads towards them, and gradient steps go on from there."""

import logging
import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation import poses, refinements
from d2a_core.fan import closed_loop
from d2a_core.fan.closed_loop import Animator, LatentPath
from d2a_core.fan.refinement import Refinement
from d2a_core.runtime import Progress

TOGETHER = 8  # faces that take steps beside one another


def settle(
    animator: Animator,
    wplus: Tensor,
    source: NDArray,
    goal: NDArray,
    *,
    steps: int,
    progress: Progress | None = None,
) -> LatentPath:
    """Lead faces from landmarks `source` [N, P, 2] to landmarks `goal` [N, P, 2], in `steps` gradient steps.

    `wplus` [N, K, 512] are their codes. A face that is asked for its own landmarks stays as it is.
    """
    path = closed_loop.lead(animator, wplus, source, goal)
    if steps:
        path = replace(path, delta=refined(animator, path, source, steps=steps, progress=progress))
    path.delta[(source == goal).all(axis=(1, 2))] = 0
    return path


def refined(
    animator: Animator, path: LatentPath, source: NDArray, *, steps: int, progress: Progress | None = None
) -> Tensor:
    """Δw [N, L, 512] after so many gradient `steps` on each pose of a path by itself.

    `source` [N, P, 2] are the landmarks of its faces as they are.
    """
    loss, parts = animator.followed, []
    for rows in np.array_split(np.arange(len(source)), max(1, math.ceil(len(source) / TOGETHER))):
        faces, goal = loss.faces(path.wplus[rows], source[rows]), torch.from_numpy(path.target[rows])
        parts.append(Refinement(loss, animator.ball, faces, path.delta[rows], goal).settle(steps, progress))
    return torch.cat(parts)


def along(
    animator: Animator,
    codes: Tensor,
    source: NDArray,
    goal: NDArray,
    *,
    most_poses: int,
    steps: int,
    shot: NDArray,
    log: logging.Logger,
) -> Tensor:
    """Δw [T, L, 512] that leads a clip with `codes` [T, K, 512] and landmarks `source` [T, P, 2] to `goal`.

    At most so many poses of the clip take so many `steps`: see `refinements.refine_in_place`.
    """
    delta = closed_loop.lead_clip(animator, codes, source, goal).delta
    wanted = torch.from_numpy(goal)
    chosen = poses.of_clip(animator.followed, wanted, most_poses)
    loss = animator.followed.around(codes[chosen.rows], delta[chosen.rows])
    refinements.refine_in_place(
        loss,
        animator.ball,
        lambda frames: loss.faces(codes[frames], source[frames.numpy()]),
        codes,
        delta,
        wanted,
        poses=chosen,
        steps=steps,
        shot=shot,
        progress=Progress(log, "footage", refinements.count(chosen, shot, steps), unit="steps"),
    )
    return delta
