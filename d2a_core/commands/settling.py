"""The strengths of several controls that bring one face to what is asked: look, correct, look again.

A control's scale is that of a typical face, and controls do not quite add up. What a step costs is weighed
against what it still gains: a face that does not answer to a control is left short of what is asked, not
bent until its measures fit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STILL = 1e-3  # change of all strengths, as a share of their largest bounds, below which nothing is left to do


@dataclass(frozen=True)
class Problem:
    """What is asked, and what is known of the controls before the face is seen.

    `asked` [C] is the change wanted in the unit of each control and `weight` [C] what a unit of error
    counts. `slope` [C, C] is the change (row) that a unit of strength (column) makes on a typical face,
    `cost` [C, C] the quadratic form of what strengths cost, `bound` [2, C] the strengths known to work.
    """

    asked: NDArray[np.float64]
    weight: NDArray[np.float64]
    slope: NDArray[np.float64]
    cost: NDArray[np.float64]
    bound: NDArray[np.float64]


@dataclass(frozen=True)
class Settled:
    """Where it ended: the `strength` [C] of each control and the change `reached` [C]."""

    strength: NDArray[np.float64]
    reached: NDArray[np.float64]


def settle(
    problem: Problem, start: NDArray, look: Callable[[NDArray], NDArray | None], *, rounds: int
) -> Settled | None:
    """The best of `rounds` + 1 looks, from the strengths `start` [C]; None when no look saw a face.

    `look` renders the face at strengths [C] and measures the change [C]; None without a face. Each round
    minimises ‖w·(asked - reached - J·d)‖² + (s + d)ᵀ·cost·(s + d) over the change d of the strengths s, and
    learns J from what came of it (Broyden 1965). A round that made it worse is taken back by half.
    """
    strength, slope = np.clip(start, *problem.bound), problem.slope.astype(np.float64)
    best, least, last = None, np.inf, None
    for _ in range(rounds + 1):
        reached = look(strength)
        if last is not None and reached is not None:
            slope = _learned(slope, strength - last.strength, reached - last.reached)
        here = None if reached is None else Settled(strength, reached)
        loss = np.inf if here is None else _loss(problem, here)
        if loss < least:
            best, least = here, loss
            following = _step(problem, here, slope)
        elif best is None:
            following = strength / 2
        else:
            following = (best.strength + strength) / 2
        if np.abs(following - strength).max() < STILL * np.abs(problem.bound).max():
            break
        last, strength = here, following
    return best


def _loss(problem: Problem, here: Settled) -> float:
    error = problem.weight * (problem.asked - here.reached)
    return float(error @ error + here.strength @ problem.cost @ here.strength)


def _step(problem: Problem, here: Settled, slope: NDArray) -> NDArray[np.float64]:
    """Strengths [C] after one Gauss-Newton step, within the bounds."""
    answer = problem.weight[:, None] * slope
    curvature = answer.T @ answer + problem.cost
    curvature += 1e-9 * np.trace(curvature) / len(curvature) * np.eye(len(curvature))
    missing = problem.weight * (problem.asked - here.reached)
    change = np.linalg.solve(curvature, answer.T @ missing - problem.cost @ here.strength)
    return np.clip(here.strength + change, *problem.bound)


def _learned(slope: NDArray, moved: NDArray, changed: NDArray) -> NDArray[np.float64]:
    """The slope that explains what the last move changed and is else as near as can be to what it was."""
    square = float(moved @ moved)
    return slope if square < 1e-12 else slope + np.outer(changed - slope @ moved, moved) / square
