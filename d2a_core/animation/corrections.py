"""Correct a path by what the face does: turn, mouth, eyes, brows and gaze, each by its own control.

FAN brings landmarks near, all points alike, and a smaller error of the contour pays for a mouth that opens
half as far as the driver's. Here drafts of the path are measured as the controls are, against what the
landmarks ask for, and what is missing is added control by control.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions import sliders
from d2a_core.directions.attribute_slopes import lifted_attributes
from d2a_core.directions.sliders import Controls
from d2a_core.faces import landmarks
from d2a_core.faces.landmarks import Detections
from d2a_core.fan import closed_loop
from d2a_core.fan.closed_loop import Animator, LatentPath
from d2a_core.runtime import Progress

COST = 0.2  # of a correction as long in all layers as the ball allows


def wanted(source: Detections, target: NDArray) -> NDArray[np.float64]:
    """Attributes [T, A] that landmarks `target` [T, P, 2] ask of the face `source` [1].

    Its own, as the detector sees them, and the change between the two sets of landmarks: both are lifted over
    the same depth, as those of the target were made.
    """
    change = lifted_attributes(target) - lifted_attributes(source.points)
    return sliders.attributes(source) + change


def correct(
    moves: Controls,
    look: Callable[[Tensor], Detections],
    wplus: Tensor,
    delta: Tensor,
    asked: NDArray,
    *,
    passes: int,
) -> Tensor:
    """Correct `delta` [T, L, D] to a Δw whose faces have the attributes `asked` [T, A].

    `look` detects drafts of w + Δw, `wplus` [T, K, D] is w. Each frame settles by itself (see
    `sliders.settle`), in `passes` rounds, on the strengths of the controls that bring it nearest to what is
    asked. A frame on whose first draft no face is found stays as it was.
    """

    def moved(strength: NDArray) -> Tensor:
        """Δw at strengths [T, C]: where all are 0, `delta` to its last bit."""
        still = torch.from_numpy((strength == 0).all(axis=1))[:, None, None]
        return torch.where(still, delta, moves.ball.renorm(delta + moves.steps(strength), wplus))

    def missing(strength: NDArray) -> NDArray[np.float64]:
        return moves.in_units(asked - sliders.attributes(look(moved(strength))))

    start = np.zeros((len(asked), len(moves.all)))
    return moved(sliders.settle(moves.problem(COST), start, missing, rounds=passes).strength)


def corrected(
    animator: Animator, source: pyarrow.Table, path: LatentPath, passes: int, progress: Progress | None = None
) -> LatentPath:
    """Correct what the face does along a path, in as many `passes` (see `corrections`).

    `source` is the landmark table of the face as it is.
    """
    if not passes:
        return path
    moves = animator.moves
    if moves is None:
        raise ValueError("corrections move a face by its controls; give the store of the stage controls")

    def look(delta: Tensor) -> Detections:
        return closed_loop.detect(animator, path.wplus, delta, progress)

    asked = wanted(landmarks.detections(source), path.target)
    delta = correct(moves, look, path.wplus, path.delta, asked, passes=passes)
    return replace(path, delta=delta)
