"""Corrections of a path by what the face does: turn, mouth, eyes, brows and gaze, each by its own control.

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
    """Δw [T, L, D] whose faces have the attributes `asked` [T, A], from `delta` [T, L, D].

    `look` detects drafts of w + Δw, `wplus` [T, K, D] is w. Frame by frame, each of the `passes` minimises
    ‖u·(asked - seen - J·d)‖² + (s + d)ᵀ·C·(s + d) over the change d of the strengths s, with the slopes J of
    a typical face, the cost C of long steps, and the units u that a degree and a deviation count. It is kept
    where it brought the attributes closer; elsewhere the next one goes half as far. A frame on whose first
    draft no face is found stays as it was.
    """
    problem = moves.problem(COST)
    unit = np.array([sliders.WEIGHTS[control.unit] for control in moves.all])
    answer, (low, high) = unit[:, None] * problem["slope"], problem["bound"]
    curvature = answer.T @ answer + problem["cost"]
    strength = np.zeros((len(asked), len(unit)))
    share, least = np.ones((len(asked), 1)), np.full(len(asked), np.inf)
    best, kept, missing = strength, delta, np.zeros_like(strength)
    trial = delta
    for number in range(passes + 1):
        found = unit * moves.in_units(asked - sliders.attributes(look(trial)))
        loss = np.nan_to_num(np.square(found).sum(axis=1), nan=np.inf)
        better = loss < least
        chosen = better[:, None]
        kept = torch.where(torch.from_numpy(better)[:, None, None], trial, kept)
        best, missing = np.where(chosen, strength, best), np.where(chosen, found, missing)
        least, share = np.where(better, loss, least), np.where(chosen, 1.0, share / 2)
        if number < passes:
            change = np.linalg.solve(curvature, (missing @ answer - best @ problem["cost"]).T).T
            strength = np.clip(best + share * change, low, high)
            trial = moves.ball.renorm(delta + moves.steps(strength), wplus)
    return kept


def corrected(
    animator: Animator, source: pyarrow.Table, path: LatentPath, passes: int, progress=None
) -> LatentPath:
    """The path after as many `passes` that correct what the face does (see `corrections`).

    `source` is the landmark table of the face as it is.
    """
    if not passes:
        return path

    def look(delta: Tensor) -> Detections:
        return closed_loop.detect(animator, path.wplus, delta, progress)

    asked = wanted(landmarks.detections(source), path.target)
    delta = correct(animator.moves, look, path.wplus, path.delta, asked, passes=passes)
    return replace(path, delta=delta)
