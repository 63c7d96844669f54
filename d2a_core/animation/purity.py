"""Stage `controls`: what is asked of faces that do not exist by each slider, and what comes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation import edits
from d2a_core.faces import controls, geometry, landmarks
from d2a_core.faces.controls import Control
from d2a_core.faces.identity import cosine_similarity
from d2a_core.faces.landmarks import Detections
from d2a_core.fan import closed_loop
from d2a_core.fan.closed_loop import Animator
from d2a_core.generator import rendering, seeds
from d2a_core.generator.generator import Generator, broadcast
from d2a_core.media.sheets import grid
from d2a_core.runtime import Progress

TRUNCATION = 0.7  # ψ of the faces
SHARES = (1.0, 0.5, 0.5, 1.0)  # of either end of a range, from its low end to its high one
COLUMNS = ("low", "½", "0", "½", "high")  # of the sheet


@dataclass(frozen=True)
class Options:
    """Config section `controls`."""

    steps: int
    faces: int
    seed: int


@dataclass(frozen=True)
class Moved:
    """One face with each control at four values, V in all: its code and how it looks, before and after.

    `wplus` [1, K, 512], `delta` [V, L, 512], the detections `rest` [1] and `seen` [V], `likeness` [V] to the
    face at rest (dlib, cosine; NaN where no face was found).
    """

    wplus: Tensor
    delta: Tensor
    rest: Detections
    seen: Detections
    likeness: NDArray[np.float32]


def faces(generator: Generator, options: Options) -> Tensor:
    """Faces W+ [F, K, 512] to move."""
    z = seeds.normal("controls", options.seed, range(options.faces), generator.z_dim)
    with torch.no_grad():
        w = generator.map(torch.from_numpy(z)).cpu()
    mean = generator.mean_w.cpu()
    return broadcast(mean + TRUNCATION * (w - mean), generator.num_layers)


def values(moves: Sequence[Control]) -> list[tuple[Control, float]]:
    """Each control with the values at which it is measured."""
    return [
        (c, share * end)
        for c in moves
        for share, end in zip(SHARES, (c.low, c.low, c.high, c.high), strict=True)
    ]


def steps(animator: Animator, options: Options) -> int:
    """Gradient steps that `measure` takes."""
    return options.faces * options.steps * len(values(controls.of_scheme(animator.detector.scheme)))


def measure(animator: Animator, options: Options, progress: Progress | None = None) -> list[Moved]:
    """Move all faces by each control."""
    return [move(animator, code, options, progress) for code in faces(animator.generator, options).split(1)]


def move(animator: Animator, wplus: Tensor, options: Options, progress: Progress | None = None) -> Moved:
    """Move one face, `wplus` [1, K, 512], by each control; raises ValueError where no face is seen."""
    animator, still = animator.around(wplus), torch.zeros(1, 1, wplus.shape[-1])
    rest = closed_loop.detect(animator, wplus, still)
    if not rest.found.all():
        raise ValueError(
            "no face is seen on one of those that controls are measured on; change controls.seed"
        )
    asked = values(controls.of_scheme(animator.detector.scheme))
    goals = [controls.asked(rest.points, rest.angles, {control.name: value}) for control, value in asked]
    goal, codes = np.concatenate(goals), wplus.expand(len(asked), -1, -1)
    points = np.repeat(rest.points, len(asked), axis=0)
    path = edits.settle(animator, codes, points, goal, steps=options.steps, progress=progress)
    seen = closed_loop.detect(animator, codes, path.delta)
    return Moved(wplus, path.delta, rest, seen, _likeness(animator, wplus, path.delta, rest, seen))


def _likeness(
    animator: Animator, wplus: Tensor, delta: Tensor, rest: Detections, seen: Detections
) -> NDArray[np.float32]:
    """Likeness [V] of each moved face to the one at rest."""
    loss = animator.followed
    own = loss.faces(wplus, rest.points).embedding
    likeness = np.full(len(delta), np.nan, np.float32)
    for row in np.flatnonzero(seen.found):
        code = rendering.apply(wplus, delta[row : row + 1])
        moved = loss.faces(code, seen.points[row : row + 1]).embedding
        likeness[row] = cosine_similarity(own.cpu().numpy(), moved.cpu().numpy())[0]
    return likeness


def purity(moved: Sequence[Moved], moves: Sequence[Control], deviation: NDArray) -> dict[str, list]:
    """Columns of a table: effect of each control on each attribute at every value, a row each.

    `asked` and `came` are in the control's unit, `change` is that of the attribute in the standard
    `deviation` [A] of the samples: medians over faces. `likeness` is a mean over faces, `found` the share of
    them that were seen.
    """
    rows = [row for number, _ in enumerate(values(moves)) for row in _rows(moved, moves, number, deviation)]
    names = ("control", "unit", "asked", "came", "attribute", "change", "likeness", "found")
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _rows(
    moved: Sequence[Moved], moves: Sequence[Control], number: int, deviation: NDArray
) -> Iterator[tuple]:
    control, asked = values(moves)[number]
    came = [controls.came(face.rest, face.seen)[control.name][number] for face in moved]
    change = [landmarks.attributes(face.seen)[number] - landmarks.attributes(face.rest)[0] for face in moved]
    likeness = float(np.nanmean([face.likeness[number] for face in moved]))
    found = float(np.mean([face.seen.found[number] for face in moved]))
    for column, attribute in enumerate(geometry.ATTRIBUTES):
        if deviation[column] > 0:
            effect = float(np.nanmedian([each[column] for each in change]) / deviation[column])
            yield (
                control.name,
                control.unit,
                asked,
                float(np.nanmedian(came)),
                attribute,
                effect,
                likeness,
                found,
            )


def markdown(table: Mapping[str, Sequence]) -> str:
    """Purity for a reader: what was asked and what came at both ends, and what happened to all else."""
    shown = list(dict.fromkeys(table["attribute"]))
    lines = [
        "# Purity of the controls",
        "",
        "What came of what was asked, at both ends of each range; likeness to the face at rest (dlib, "
        "cosine; dlib's network is part of the loss that the steps follow); and the change of each "
        "attribute, in standard deviations of the sampled faces. Medians over faces.",
        "",
        "| control | asked | came | likeness | "
        + " | ".join(name.replace("_", " ") for name in shown)
        + " |",
        "| --- " * (len(shown) + 4) + "|",
    ]
    rows = list(zip(*table.values(), strict=True))
    for start in range(0, len(rows), len(shown)):
        name, unit, asked, came, _, _, likeness, _ = rows[start]
        if (start // len(shown)) % len(SHARES) in (0, len(SHARES) - 1):
            cells = [f"{row[5]:+.1f}" for row in rows[start : start + len(shown)]]
            lines.append(f"| {name} | {asked:g} {unit} | {came:.0f} | {likeness:.3f} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def draw(animator: Animator, moved: Moved) -> NDArray[np.uint8]:
    """One row a control, from one end of its range to the other, on one face."""
    moves, animator = controls.of_scheme(animator.detector.scheme), animator.around(moved.wplus)
    half = len(SHARES) // 2
    codes = rendering.apply(moved.wplus.expand(len(moved.delta), -1, -1), moved.delta)
    pictures = rendering.render(animator.generator, codes, animator.size)
    (rest,) = rendering.render(animator.generator, moved.wplus, animator.size)
    rows = [[*part[:half], rest, *part[half:]] for part in np.split(pictures, len(moves))]
    captions = [f"{c.label}\n{c.low:g} to {c.high:g} {c.unit}" for c in moves]
    return grid(rows, captions_left=captions, captions_top=COLUMNS)
