"""Gradient steps on single faces, from where FAN arrived: what is left of the loss in image space."""

import torch
from torch import Tensor

from d2a_core.directions.ball import Ball
from d2a_core.fan import image_space
from d2a_core.fan.image_loss import Faces, ImageLoss
from d2a_core.runtime import Progress

RATE = 0.05  # of Adam, in deviations of w
BETAS = (0.7, 0.9)  # short memories: a face has only a few steps


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
    mask, whiten = loss.mask(faces, goal), loss.whiten.to(delta)
    colour = torch.linalg.inv(whiten)
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
    return ball.renorm((coordinates @ colour).detach(), faces.wplus)
