"""Gradient steps on single faces, from where FAN arrived: what is left of the loss in image space."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions.ball import Ball
from d2a_core.fan import image_space
from d2a_core.fan.closed_loop import Animator, LatentPath
from d2a_core.fan.image_loss import Faces, ImageLoss
from d2a_core.runtime import Progress

RATE = 0.05  # of Adam, in deviations of w
BETAS = (0.7, 0.9)  # short memories: a face has only a few steps
TOGETHER = 8  # faces that take steps beside one another


def refine(
    loss: ImageLoss,
    ball: Ball,
    faces: Faces,
    delta: Tensor,
    goal: Tensor,
    *,
    steps: int,
    progress: Progress | None = None,
) -> Tensor:
    """Take `steps` gradient steps on each face by itself, from `delta` [N, L, 512] towards `goal` [N, P, 2].

    Returns Δw [N, L, 512] inside the ball. Steps are as long in every deviation of w (whitening as in Zhu et
    al., arXiv 2012.09036).
    """
    here, (delta, goal) = delta.device, (part.to(faces.wplus.device) for part in (delta, goal))
    mask, whiten, colour = loss.mask(faces, goal), loss.whiten.to(delta), loss.colour.to(delta)
    coordinates = (delta @ whiten).detach().requires_grad_()
    optimizer = torch.optim.Adam([coordinates], lr=RATE, betas=BETAS)
    for number in range(steps):
        moved = ball.renorm(coordinates @ colour, faces.wplus)
        look = image_space.LOOKS[number % len(image_space.LOOKS)]
        terms = image_space.means(loss, faces, moved, goal, mask, look=look)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        if progress is not None:
            progress.advance(len(delta))
    return ball.renorm((coordinates @ colour).detach(), faces.wplus).to(here)


def of_poses(animator: Animator, path: LatentPath, source: NDArray, *, steps: int) -> Tensor:
    """Refine each pose of a path by itself: Δw [N, L, 512].

    `source` [N, P, 2] are the landmarks of its faces as they are.
    """
    loss, parts = loss_of(animator), []
    for rows in np.array_split(np.arange(len(source)), max(1, math.ceil(len(source) / TOGETHER))):
        faces, goal = loss.faces(path.wplus[rows], source[rows]), torch.from_numpy(path.target[rows])
        parts.append(refine(loss, animator.ball, faces, path.delta[rows], goal, steps=steps))
    return torch.cat(parts)


def loss_of(animator: Animator) -> ImageLoss:
    """The loss of an animator; raises ValueError where it was loaded without one."""
    if animator.loss is None:
        raise ValueError("gradient steps follow a loss; give its weights and the identity network")
    return animator.loss
