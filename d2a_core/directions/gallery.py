"""Draw the effects of directions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from d2a_core.faces.geometry import ATTRIBUTES
from d2a_core.generator import rendering
from d2a_core.generator.generator import Generator, broadcast
from d2a_core.media.sheets import grid

STEPS = (-1.0, -0.5, 0.5, 1.0)  # on either side of the face itself
FACE_TRUNCATION = 0.6  # a plain face, so that the eye sees the motion
REACH = 2.0  # times a direction's length at the outermost steps


@dataclass(frozen=True)
class Options:
    """Config section `directions.gallery`."""

    rows: int
    seed: int


def caption(row: Mapping[str, Any], deviation: NDArray) -> str:
    """Describe one direction in three lines: its origin and its two strongest effects."""
    standard = {
        name: float(row[name]) / spread
        for name, spread in zip(ATTRIBUTES, deviation, strict=True)
        if spread > 0
    }
    strongest = sorted(standard, key=lambda name: -abs(standard[name]))[:2]
    effects = [f"{name.replace('_', ' ')} {standard[name]:+.1f} s.d." for name in strongest]
    count = "" if row["k"] is None else f" k={row['k']}"
    return "\n".join([f"#{row['direction']} {row['part']}{count} {row['kind']}", *effects])


def choose(effect: NDArray, deviation: NDArray, *, rows: int) -> list[int]:
    """Directions to show: for each attribute in turn its purest strong one, then the next purest.

    Purest means the largest share of the squared effect (in standard deviations) that goes into that
    attribute, times its size: a list by strength alone would show yaw over and over.
    """
    known = deviation > 0
    standard = np.abs(effect[:, known] / deviation[known])
    purity = standard**2 / np.maximum(np.linalg.norm(standard, axis=1, keepdims=True), 1e-12)
    ranked = np.argsort(-purity, axis=0, kind="stable")  # [M, A]: best of every attribute first
    return list(dict.fromkeys(int(index) for index in ranked.ravel()))[:rows]


def draw(
    generator: Generator,
    store: Mapping[str, NDArray],
    catalogue: Sequence[Mapping[str, Any]],
    options: Options,
    *,
    size: int,
    progress=None,
) -> NDArray[np.uint8]:
    """One row a direction, five steps from -2 to +2 lengths, captioned: u1 [H, W, 3]."""
    rng = torch.Generator().manual_seed(options.seed)
    w = generator.map(torch.randn(1, generator.z_dim, generator=rng))
    mean_w = torch.from_numpy(store["mean_w"])
    wplus = broadcast(mean_w + FACE_TRUNCATION * (w.cpu() - mean_w), generator.num_layers)
    chosen = choose(store["effect"], store["deviation"], rows=options.rows)
    (face,) = rendering.render(generator, wplus, size)
    before, pictures = sum(step < 0 for step in STEPS), []
    for index in chosen:
        steps = torch.tensor(STEPS)[:, None, None] * REACH * torch.from_numpy(store["vector"][index])
        moved = rendering.render(generator, rendering.apply(wplus.expand(len(steps), -1, -1), steps), size)
        pictures.append([*moved[:before], face, *moved[before:]])
        if progress is not None:
            progress.advance(1)
    tops = [f"{REACH * step:+.0f} lengths" for step in STEPS]
    return grid(
        pictures,
        captions_left=[caption(catalogue[index], store["deviation"]) for index in chosen],
        captions_top=[*tops[:before], "face", *tops[before:]],
        title="Directions of CluDistiller",
    )
