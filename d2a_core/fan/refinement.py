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


class Refinement:
    """Gradient steps on N faces, each by itself, from `delta` [N, L, 512] towards landmarks `goal` [N, P, 2].

    Steps are as long in every deviation of w (whitening as in Zhu et al., arXiv 2012.09036), and the sums
    stay inside the `ball`.
    """

    def __init__(self, loss: ImageLoss, ball: Ball, faces: Faces, delta: Tensor, goal: Tensor) -> None:
        delta, self.goal = (part.to(faces.wplus.device) for part in (delta, goal))
        self.loss, self.ball, self.faces, self.taken = loss, ball, faces, 0
        self.mask, self.colour = loss.mask(faces, self.goal), loss.colour.to(delta)
        self.coordinates = (delta @ loss.whiten.to(delta)).detach().requires_grad_()
        self.optimizer = torch.optim.Adam([self.coordinates], lr=RATE, betas=BETAS)

    def step(self) -> None:
        """Take one step on every face."""
        look = image_space.LOOKS[self.taken % len(image_space.LOOKS)]
        moved = self.ball.renorm(self.coordinates @ self.colour, self.faces.wplus)
        terms = image_space.means(self.loss, self.faces, moved, self.goal, self.mask, look=look)
        self.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        self.optimizer.step()
        self.taken += 1

    @property
    def delta(self) -> Tensor:
        """Where the steps have led: Δw [N, L, 512] on the CPU."""
        return self.ball.renorm((self.coordinates @ self.colour).detach(), self.faces.wplus).cpu()


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
    """Take `steps` gradient steps on N faces and return Δw [N, L, 512]; see `Refinement`."""
    refinement = Refinement(loss, ball, faces, delta, goal)
    for _ in range(steps):
        refinement.step()
        if progress is not None:
            progress.advance(len(delta))
    return refinement.delta


def of_poses(
    animator: Animator, path: LatentPath, source: NDArray, *, steps: int, progress: Progress | None = None
) -> Tensor:
    """Refine each pose of a path by itself: Δw [N, L, 512].

    `source` [N, P, 2] are the landmarks of its faces as they are.
    """
    loss, parts = loss_of(animator), []
    for rows in np.array_split(np.arange(len(source)), max(1, math.ceil(len(source) / TOGETHER))):
        faces, goal = loss.faces(path.wplus[rows], source[rows]), torch.from_numpy(path.target[rows])
        parts.append(
            refine(loss, animator.ball, faces, path.delta[rows], goal, steps=steps, progress=progress)
        )
    return torch.cat(parts)


def loss_of(animator: Animator) -> ImageLoss:
    """The loss of an animator; raises ValueError where it was loaded without one."""
    if animator.loss is None:
        raise ValueError("gradient steps follow a loss; give its weights and the identity network")
    return animator.loss
