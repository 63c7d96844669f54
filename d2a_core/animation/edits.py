"""Edits: a face is asked for other landmarks; FAN leads towards them, and gradient steps go on from there."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation.refinements import refine_in_place
from d2a_core.fan import closed_loop, refinement
from d2a_core.fan.closed_loop import Animator, LatentPath
from d2a_core.runtime import Progress

FRAMES = 64  # of a clip that FAN sees at a time


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
        delta = refinement.of_poses(animator, path, source, steps=steps, progress=progress)
        path = replace(path, delta=delta)
    path.delta[(source == goal).all(axis=(1, 2))] = 0
    return path


def along(
    animator: Animator,
    codes: Tensor,
    source: NDArray,
    goal: NDArray,
    *,
    steps: int,
    shot: NDArray,
    progress: Progress | None = None,
) -> Tensor:
    """Δw [T, L, 512] that leads a clip with `codes` [T, K, 512] and landmarks `source` [T, P, 2] to `goal`.

    Each frame goes on from the one before it: see `refinements.refine_in_place`.
    """
    rows = np.array_split(np.arange(len(codes)), max(1, len(codes) // FRAMES))
    delta = torch.cat(
        [closed_loop.lead(animator, codes[part], source[part], goal[part]).delta for part in rows]
    )
    loss = refinement.loss_of(animator)
    refine_in_place(
        loss,
        animator.ball,
        lambda index: loss.faces(codes[index : index + 1], source[index : index + 1]),
        codes,
        delta,
        torch.from_numpy(goal),
        steps=steps,
        shot=shot,
        progress=progress,
    )
    return delta
