"""What a method makes of the pairs: one picture a pair, and after every closed-loop pass where it has any."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import animations, protocols, rendering
from d2a_core.networks.fan import Fan
from d2a_core.scores import NO_PASSES, Faces

CONTROL_SIDE = 256  # px, of noise

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Result:
    """The picture u1 [R, R, 3] that a method made for a pair with so many closed-loop passes.

    `step_error` is ‖Δw - Δw*‖² / ‖Δw*‖² where the true step Δw* is known, else NaN.
    """

    pair: int
    passes: int
    image: Picture
    step_error: float


def animate(
    stage: animations.Stage,
    fans: Sequence[Fan],
    pairs: Sequence[Mapping[str, object]],
    codes: Mapping[str, Mapping[str, NDArray]],
    faces: Faces,
    *,
    passes: int,
    progress=None,
) -> Iterator[Result]:
    """Results of all pairs: the open loop first, then after every closed-loop pass.

    One of the `fans` drives all, or source number i of the set has the i-th. `codes` holds for each set the
    arrays of `held_out.HeldOut.arrays`.
    """
    for number, network in enumerate(fans):
        chosen = [
            pair for pair in pairs if len(fans) == 1 or protocols.number_of(str(pair["source"])) == number
        ]
        if chosen:
            yield from _driven(replace(stage, fan=network), chosen, codes, faces, passes, progress)


def _driven(
    stage: animations.Stage,
    pairs: Sequence[Mapping[str, object]],
    codes: Mapping[str, Mapping[str, NDArray]],
    faces: Faces,
    passes: int,
    progress,
) -> Iterator[Result]:
    sources = [protocols.number_of(str(pair["source"])) for pair in pairs]
    sets = [protocols.set_of(str(pair["source_image"])) for pair in pairs]
    wplus = torch.from_numpy(
        np.stack([codes[name]["wplus"][row] for name, row in zip(sets, sources, strict=True)])
    )
    start = faces.seen.points[faces.rows(str(pair["source_image"]) for pair in pairs)]
    target = faces.seen.points[faces.rows(str(pair["target_image"]) for pair in pairs)]
    known = [
        codes[name]["delta"][row] if pair["protocol"] == protocols.SELF else None
        for pair, name, row in zip(pairs, sets, sources, strict=True)
    ]
    for done, path in enumerate(animations.drive(stage, wplus, start, target, passes=passes)):
        for pair, w, move, true in zip(pairs, wplus.split(1), path.delta.split(1), known, strict=True):
            image = rendering.render(stage.generator, rendering.apply(w, move))[0]
            yield Result(int(pair["pair"]), done, image, step_error(move[0], true))
            if progress is not None:
                progress.advance(1)


def renders(pairs: Sequence[object], passes: int) -> int:
    """Pictures that `animate` yields."""
    return len(pairs) * (passes + 1)


def step_error(step: Tensor, true: NDArray | None) -> float:
    """Energy of the error of Δw [L, 512] as a share of that of the true one; NaN where it is not known."""
    if true is None:
        return float("nan")
    known = torch.from_numpy(true)
    return float((step - known).square().sum() / known.square().sum())


def keep(
    results: Iterable[Result], write: Callable[[Iterable[tuple[str, Picture]]], Iterable]
) -> dict[str, list]:
    """Write the pictures under the names of `result_name`; returns columns pair, passes and step_error."""
    rows: dict[str, list] = {"pair": [], "passes": [], "step_error": []}

    def named() -> Iterator[tuple[str, Picture]]:
        for result in results:
            for name, column in rows.items():
                column.append(getattr(result, name))
            yield result_name(result.pair, result.passes), result.image

    for _ in write(named()):
        pass
    return rows


def result_name(pair: int, passes: int) -> str:
    """Where a result lies in the folder of its method, less its suffix: `1/00007` after one pass."""
    name = f"{pair:05d}"
    return name if passes == NO_PASSES else f"{passes}/{name}"


def control(kind: str, source: Picture, target: Picture, *, seed: int) -> Picture:
    """What a wrong method returns: its `source` unchanged, the `target` itself, or noise.

    Their rows must come out as no motion at full likeness, no error at a stranger's likeness, and no face.
    """
    if kind == "noise":
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (CONTROL_SIDE, CONTROL_SIDE, 3), dtype=np.uint8)
    return {"source": source, "target": target}[kind]


def control_result(kind: str, pair: Mapping[str, object], read: Callable[[str], Picture]) -> Result:
    """The `control` of one pair, whose pictures `read` gives by their paths."""
    source, target = (read(str(pair[f"{role}_image"])) for role in ("source", "target"))
    number = int(pair["pair"])
    return Result(number, NO_PASSES, control(kind, source, target, seed=number), float("nan"))
