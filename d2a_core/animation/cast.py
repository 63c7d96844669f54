"""The cast of a clip: who is seen in which of its frames, and the code of everybody's face."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation.stretches import NOBODY
from d2a_core.store import arrays

STORED = ("person", "stretch", "start", "wplus", "points")


@dataclass(frozen=True)
class Cast:
    """People of a clip of T frames: `person` [T] says who is seen in each, `NOBODY` where nobody is.

    `stretch` [T] is the number of the stretch that a frame is in. `start` [S] are the frames that people are
    known from, `wplus` [S, K, D] their codes and `points` [S, P, 2] the landmarks of what these show.
    """

    person: NDArray[np.int64]
    stretch: NDArray[np.int64]
    start: NDArray[np.int64]
    wplus: NDArray[np.float32]
    points: NDArray[np.float32]

    def arrays(self) -> dict[str, NDArray]:
        """Arrays to store."""
        return {name: getattr(self, name) for name in STORED}

    @property
    def rows(self) -> NDArray[np.int64]:
        """Frames [N] that show somebody."""
        return np.flatnonzero(self.person != NOBODY)

    def count(self, number: int) -> int:
        """Frames that show the person of a number."""
        return int((self.person == number).sum())

    def until(self, count: int) -> "Cast":
        """The same for so many frames of the clip."""
        return replace(self, person=self.person[:count], stretch=self.stretch[:count])

    def faces(self) -> tuple[Tensor, NDArray[np.float32]]:
        """Code [N, K, D] and landmarks [N, P, 2] that each of the `rows` starts from."""
        person = self.person[self.rows]
        return torch.from_numpy(self.wplus[person]), self.points[person]


def read(path: str | Path) -> Cast:
    """Read a stored cast."""
    return Cast(**arrays.read_zarr(path, STORED))
