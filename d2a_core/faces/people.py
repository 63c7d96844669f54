"""Tell the people of a clip apart by their faces, as they are met."""

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import dlib_identity

SAME = 0.6  # distance of embeddings up to which dlib calls two faces one person
OTHER = 0.7  # beyond which they surely are two; a face that is blurred lies between
CLEAR = 0.5  # up to which nothing hides the face: behind somebody else's, half of it has a mesh all the same
WAITING = 8  # looks at a person that are kept until somebody asks who it is, the last ones


@dataclass
class _Person:
    """Sum [128] of the embeddings of `count` looks, and chips of more, not looked at so far."""

    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(dlib_identity.SIZE))
    count: int = 0
    waiting: deque[NDArray[np.uint8]] = field(default_factory=lambda: deque(maxlen=WAITING))

    @property
    def known(self) -> bool:
        return bool(self.count or self.waiting)


class People:
    """Mean faces of the people of a clip, numbered from 0 in the order in which they were met.

    Looks are only cut out at first: a clip of one person, in which nobody has to be told apart, costs no
    network. `folder` is that of dlib's models.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = folder
        self._people: list[_Person] = []

    def __len__(self) -> int:
        return len(self._people)

    def meet(self) -> int:
        """Number of somebody new."""
        self._people.append(_Person())
        return len(self._people) - 1

    def knows(self, number: int) -> bool:
        """Whether there was a look at this person."""
        return self._people[number].known

    def note(self, number: int, image: NDArray[np.uint8], points: NDArray) -> None:
        """Keep a look at a person: a frame u1 [H, W, 3] and the landmarks [P, 2] as fractions of it."""
        self._people[number].waiting.append(dlib_identity.chip(image, points))

    def embed(self, image: NDArray[np.uint8], points: NDArray) -> NDArray[np.float32]:
        """Embedding [128] of a face with landmarks [P, 2] as fractions of a frame u1 [H, W, 3]."""
        return self._embedder.embed_chip(dlib_identity.chip(image, points))

    def apart(self, number: int, face: NDArray) -> float:
        """Distance of an embedding [128] from the person's mean; see `SAME`, `OTHER` and `CLEAR`."""
        return float(np.linalg.norm(self._mean(number) - face))

    def numbers(self) -> NDArray[np.int32]:
        """Number of everybody who was met [K], those being counted once who turn out to be one person.

        Whoever never showed a face that tells is taken for the one met before.
        """
        if len(self) == 1:
            return np.zeros(1, np.int32)
        first: list[int] = []
        for number, person in enumerate(self._people):
            if not person.known:
                first.append(first[-1] if first else number)
                continue
            met = [other for other in dict.fromkeys(first) if self.knows(other)]
            apart = {other: self.apart(other, self._mean(number)) for other in met}
            nearest = min(met, key=apart.__getitem__, default=number)
            first.append(nearest if apart.get(nearest, 0.0) <= SAME else number)
        return np.unique(first, return_inverse=True)[1].astype(np.int32)

    def _mean(self, number: int) -> NDArray[np.float64]:
        person = self._people[number]
        while person.waiting:
            person.total += self._embedder.embed_chip(person.waiting.popleft())
            person.count += 1
        return person.total / person.count

    @cached_property
    def _embedder(self) -> dlib_identity.DlibEmbedder:
        return dlib_identity.DlibEmbedder(self._folder)
