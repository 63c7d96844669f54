"""Gradient steps on single faces, from where FAN arrived: what is left of the loss in image space."""

import torch
from torch import Tensor

from d2a_core.directions.ball import Ball
from d2a_core.fan import image_loss
from d2a_core.fan.image_loss import Faces, ImageLoss
from d2a_core.runtime import Progress

RATE = 0.05  # of Adam, in deviations of w
CALM = 0.2  # of it, at the last step of a run of steps whose number is known: less of the person is lost
BETAS = (0.8, 0.99)  # memories of a few steps, and of those of some frames


class Refinement:
    """Gradient steps on N faces, each by itself, from `delta` [N, L, 512] towards landmarks `goal` [N, P, 2].

    Steps are as long in every deviation of w (whitening as in Zhu et al., arXiv 2012.09036), and the sums
    stay inside the `ball`.
    """

    def __init__(self, loss: ImageLoss, ball: Ball, faces: Faces, delta: Tensor, goal: Tensor) -> None:
        self.loss, self.ball, self.taken = loss, ball, 0
        self.colour, self.whiten = loss.colour.to(faces.wplus), loss.whiten.to(faces.wplus)
        self.coordinates = torch.empty_like(delta, device=faces.wplus.device).requires_grad_()
        self.optimizer = torch.optim.Adam([self.coordinates], lr=RATE, betas=BETAS)
        self.turn_to(faces, delta, goal)

    def turn_to(self, faces: Faces, delta: Tensor, goal: Tensor) -> None:
        """Go on from another `delta` towards another `goal`, in the manner of the steps before.

        What Adam has learned of the coordinates stays: along a clip steps are surer so, and the face calmer.
        """
        self.faces, self.goal = faces, goal.to(faces.wplus.device)
        self.mask = self.loss.mask(faces, self.goal)
        with torch.no_grad():
            self.coordinates.copy_(delta.to(faces.wplus.device) @ self.whiten)

    def step(self) -> None:
        """Take one step on every face."""
        look = image_loss.LOOKS[self.taken % len(image_loss.LOOKS)]
        moved = self.ball.renorm(self.coordinates @ self.colour, self.faces.wplus)
        terms = image_loss.means(self.loss, self.faces, moved, self.goal, self.mask, look=look)
        self.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        self.optimizer.step()
        self.taken += 1

    def settle(self, steps: int, progress: Progress | None = None) -> Tensor:
        """Take so many `steps`, shorter and shorter; returns `delta`."""
        for rate in torch.linspace(RATE, CALM * RATE, steps).tolist():
            self.optimizer.param_groups[0]["lr"] = rate
            self.take(1, progress)
        return self.delta

    def take(self, steps: int, progress: Progress | None = None) -> Tensor:
        """Take so many `steps`; returns `delta`."""
        for _ in range(steps):
            self.step()
            if progress is not None:
                progress.advance(len(self.coordinates))
        return self.delta

    @property
    def delta(self) -> Tensor:
        """Where the steps have led: Δw [N, L, 512] on the CPU."""
        return self.ball.renorm((self.coordinates @ self.colour).detach(), self.faces.wplus).cpu()
