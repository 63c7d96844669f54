"""Results of our method on pairs: the open loop, and every closed-loop pass."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation import edits
from d2a_core.evaluation import protocols
from d2a_core.evaluation.face_table import Faces
from d2a_core.evaluation.protocols import Pair
from d2a_core.evaluation.results import Result
from d2a_core.fan import closed_loop
from d2a_core.fan.conditioned import ConditionedFan
from d2a_core.fan.groups import SplitFan
from d2a_core.fan.network import Fan
from d2a_core.generator import rendering


def animate(
    animator: closed_loop.Animator,
    fans: Sequence[Fan | ConditionedFan | SplitFan],
    pairs: Sequence[Pair],
    codes: Mapping[str, Mapping[str, NDArray]],
    faces: Faces,
    *,
    passes: int,
    refinements: int = 0,
    progress=None,
) -> Iterator[Result]:
    """Results of all pairs: the open loop first, then after every closed-loop pass.

    With `refinements`, the last of them takes so many gradient steps.

    One of the `fans` drives all, or source number i of the set has the i-th. `codes` holds for each set the
    arrays of `held_out.HeldOut.arrays`.
    """
    for number, network in enumerate(fans):
        chosen = [pair for pair in pairs if len(fans) == 1 or protocols.number_of(pair.source) == number]
        if chosen:
            yield from _driven(
                replace(animator, fan=network), chosen, codes, faces, passes, refinements, progress
            )


def _driven(
    animator: closed_loop.Animator,
    pairs: Sequence[Pair],
    codes: Mapping[str, Mapping[str, NDArray]],
    faces: Faces,
    passes: int,
    refinements: int,
    progress,
) -> Iterator[Result]:
    sources = [protocols.number_of(pair.source) for pair in pairs]
    sets = [protocols.set_of(pair.source_image) for pair in pairs]
    wplus = torch.from_numpy(
        np.stack([codes[name]["wplus"][row] for name, row in zip(sets, sources, strict=True)])
    )
    start = faces.seen.points[faces.rows(pair.source_image for pair in pairs)]
    target = faces.seen.points[faces.rows(pair.target_image for pair in pairs)]
    known = [
        codes[name]["delta"][row] if pair.protocol == protocols.SELF else None
        for pair, name, row in zip(pairs, sets, sources, strict=True)
    ]
    for done, path in enumerate(closed_loop.drive(animator, wplus, start, target, passes=passes)):
        delta = path.delta
        if refinements and done == passes:
            delta = _refined(animator, path, start, refinements, progress)
        for pair, w, move, true in zip(pairs, wplus.split(1), delta.split(1), known, strict=True):
            image = rendering.render(animator.generator, rendering.apply(w, move))[0]
            yield Result(pair.number, done, image, step_error(move[0], true))
            if progress is not None:
                progress.advance(1)


def _refined(
    animator: closed_loop.Animator, path: closed_loop.LatentPath, start: NDArray, steps: int, progress
) -> Tensor:
    """Δw [N, L, 512] after so many gradient `steps` on each of the faces, of landmarks `start` [N, P, 2].

    A target on which no face was found asks for nothing, and its step stays as it is.
    """
    delta, known = [], np.isfinite(start + path.target)
    for row in range(len(start)):
        rows = slice(row, row + 1)
        alone = replace(path, wplus=path.wplus[rows], delta=path.delta[rows], target=path.target[rows])
        if not known[row].all():
            delta.append(alone.delta)
            continue
        own = animator.around(alone.wplus, alone.delta)
        delta.append(edits.refined(own, alone, start[rows], steps=steps, progress=progress))
    return torch.cat(delta)


def renders(pairs: Sequence[object], passes: int, refinements: int) -> int:
    """Pictures that `animate` makes: those that it yields, and one in every gradient step."""
    return len(pairs) * (passes + 1 + refinements)


def step_error(step: Tensor, true: NDArray | None) -> float:
    """Energy of the error of Δw [L, 512] as a share of that of the true one; NaN where it is not known."""
    if true is None:
        return float("nan")
    known = torch.from_numpy(true)
    return float((step - known).square().sum() / known.square().sum())
