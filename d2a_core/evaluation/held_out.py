"""Faces that no training stage has seen: drawn from a seed of their own, and checked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions import ball
from d2a_core.directions.directions import basis
from d2a_core.evaluation import protocols
from d2a_core.fan import pairs
from d2a_core.generator import rendering, seeds
from d2a_core.generator.generator import Generator, broadcast
from d2a_core.store import arrays

KINDS = ("source", "target", "reference")


@dataclass(frozen=True)
class HeldOut:
    """W+ of `n` sources, targets, augmented sources and references [n, K, 512] each, and the known steps.

    `augmented` is `source` moved by `delta` [n, L, 512].
    """

    source: Tensor
    target: Tensor
    augmented: Tensor
    reference: Tensor
    delta: Tensor

    def pictures(
        self, generator: Generator, kinds: Iterable[str] = "star"
    ) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Name and full-size picture u1 [R, R, 3] of every face of the `kinds`, in their order."""
        codes = {"s": self.source, "t": self.target, "a": self.augmented, "r": self.reference}
        for kind in kinds:
            for number, row in enumerate(codes[kind].split(1)):
                yield protocols.face_name(kind, number), rendering.render(generator, row)[0]

    def arrays(self) -> dict[str, NDArray]:
        """Arrays to store: `wplus` [n, K, 512] of the sources for methods; `delta` for scores alone."""
        return {"wplus": self.source.numpy(), "delta": self.delta.numpy()}


def draw(
    generator: Generator,
    trained: NDArray,
    directions: Mapping[str, NDArray],
    *,
    count: int,
    seed: int,
) -> HeldOut:
    """Draw three times `count` faces, and augment the sources along the `directions` (equation 1).

    These are the store of that stage. More faces leave the first ones as they are.

    Raises ValueError when one of them is among `trained` [N, 512], the w that the stages were trained on.
    """
    ids = range(count)
    kinds = [seeds.normal(f"held-out {kind}", seed, ids, generator.z_dim) for kind in KINDS]
    with torch.no_grad():
        w = torch.cat([generator.map(row) for row in torch.from_numpy(np.concatenate(kinds)).split(1)]).cpu()
    check_disjoint(w.numpy(), trained, seed=seed)
    source, target, reference = (broadcast(part, generator.num_layers).clone() for part in w.split(count))
    vector = torch.from_numpy(basis(directions))
    uniform = torch.from_numpy(seeds.uniform("held-out", seed, ids, len(vector) + 1))
    delta, _ = pairs.draw(vector, source[:, : vector.shape[1]], ball.from_store(directions), uniform)
    return HeldOut(source, target, rendering.apply(source, delta), reference, delta)


def faces(count: int) -> int:
    """Faces that `draw` draws or augments for `count` pairs."""
    return 4 * count


def trained_on(stores: Sequence[str | Path]) -> NDArray[np.float32]:
    """The w [N, D] of samples in their stores; [0, 0] where there are none, FAN having come in a bundle."""
    return arrays.read_zarrs(stores, ["w"])["w"] if stores else np.zeros((0, 0), np.float32)


def check_disjoint(held: NDArray, trained: NDArray, *, seed: int) -> None:
    """Raise ValueError when a row of `held` [n, D] lies as good as on one of `trained` [N, D]."""
    first = {tuple(row) for row in np.round(trained, 3).tolist()}
    seen = [index for index, row in enumerate(np.round(held, 3).tolist()) if tuple(row) in first]
    if seen:
        raise ValueError(
            f"evaluation.protocols.seed {seed} draws {len(seen)} of {len(held)} faces that were trained on; "
            "held-out faces must be others: choose another seed"
        )
