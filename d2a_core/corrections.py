"""Corrections of a path by what the face does: turn, mouth, eyes, brows and gaze, each by its own control.

FAN brings landmarks near, all points alike, and a smaller error of the contour pays for a mouth that opens
half as far as the driver's. Here drafts of the path are measured as the controls are, against the landmarks
that were asked for, and what is missing is added control by control.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import controls, directions, geometry
from d2a_core.controls import Controls
from d2a_core.heads import lift
from d2a_core.schemes import scheme_of

COST = 0.3  # of a correction as long in all layers as the ball allows


def correct(
    moves: Controls,
    look: Callable[[Tensor], NDArray],
    wplus: Tensor,
    delta: Tensor,
    target: NDArray,
    *,
    passes: int,
) -> Tensor:
    """Δw [T, L, D] that does what the landmarks `target` [T, P, 2] ask for, from `delta` [T, L, D].

    `look` gives the landmarks [T, P, 2] of drafts of w + Δw, NaN without a face; `wplus` [T, K, D] is w.
    Frame by frame, each of the `passes` minimises ‖u·(asked - seen - J·d)‖² + (s + d)ᵀ·C·(s + d) over the
    change d of the strengths s, with the slopes J of a typical face, the cost C of long steps, and the units
    u that a degree and a deviation count. It is kept where it brought the measures closer; elsewhere the
    next one goes half as far.
    """
    problem = moves.problem(COST)
    unit = np.array([controls.WEIGHTS[control.unit] for control in moves.all])
    answer, low, high = unit[:, None] * problem["slope"], *problem["bound"]
    curvature = answer.T @ answer + problem["cost"]
    wanted = _measures(target)
    strength = np.zeros((len(target), len(unit)))
    share, least = np.ones((len(target), 1)), np.full(len(target), np.inf)
    best, kept, missing = strength, delta, np.zeros_like(strength)
    trial = delta
    for number in range(passes + 1):
        found = unit * moves.in_units(wanted - _measures(look(trial)))
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


def _measures(points: NDArray) -> NDArray[np.float64]:
    """Attributes [T, A] of points [T, P, 2], over the depth of the mean face; NaN stays NaN."""
    scheme = scheme_of(points.shape[1])
    known = np.isfinite(points).all(axis=(1, 2))
    values = np.full((len(points), len(directions.ATTRIBUTES)), np.nan)
    if known.any():
        heads = lift(points[known], scheme)
        angles, flat = geometry.angles_of(heads.rotation), heads.shape[..., :2].astype(np.float32)
        found = geometry.attributes(points[known], flat, angles, scheme)
        values[known] = np.stack([found[name] for name in directions.ATTRIBUTES], axis=1)
    return values
