"""The back ends that tell whose face a picture shows, by the name in the config."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from d2a_core import arcface, identity


class Embedder(Protocol):
    """What `identity.Embedder` and `arcface.Embedder` have in common; `name` is what tables print."""

    name: str

    def embed(self, images: NDArray[np.uint8], points: NDArray) -> NDArray[np.float32]:
        """[N, D] for images u1 [N, H, W, 3] with landmarks [N, P, 2] in fractions; NaN for NaN."""


def load_embedder(backend: str, place: str | Path, *, threads: int = 1) -> Embedder:
    """The embedder `backend`: "dlib" from the folder `place`, "arcface" from the .onnx file `place`.

    Raises ValueError for another name, or a file that is no recognition model. dlib keeps to one thread.
    """
    if backend == "dlib":
        return identity.Embedder(place)
    if backend == "arcface":
        return arcface.Embedder(place, threads=threads)
    raise ValueError(f"unknown identity back end {backend!r}; choose 'dlib' or 'arcface'")
