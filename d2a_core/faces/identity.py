"""Choose and load the identity embedder that the config names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import arcface, dlib_identity
from d2a_core.runtime import Job
from d2a_core.store import optional_weights


class Embedder(Protocol):
    """Contract of `DlibEmbedder` and `arcface.Embedder`; `name` is printed in tables."""

    name: str

    def embed(self, images: NDArray[np.uint8], points: NDArray) -> NDArray[np.float32]:
        """[N, D] for images u1 [N, H, W, 3] with landmarks [N, P, 2] in fractions; NaN for NaN."""


def load_embedder(backend: str, place: str | Path, *, threads: int = 1) -> Embedder:
    """The embedder `backend`: "dlib" from the folder `place`, "arcface" from the .onnx file `place`.

    Raises ValueError for another name, or a file that is no recognition model. dlib keeps to one thread.
    """
    if backend == "dlib":
        return dlib_identity.DlibEmbedder(place)
    if backend == "arcface":
        return arcface.Embedder(place, threads=threads)
    raise ValueError(f"unknown identity back end {backend!r}; choose 'dlib' or 'arcface'")


@dataclass(frozen=True)
class Options:
    """Config section `evaluation.identity`; `weights` is {path} or {url, sha256}, null for dlib."""

    backend: str
    weights: Mapping[str, str] | None


def choose(options: Mapping[str, Any], folder: str | Path, *, threads: int) -> Embedder:
    """The embedder that the config asks for; `folder` is that of dlib's models.

    Raises ValueError when the weights of ArcFace cannot be had: a table with another identity than the one
    asked for would mislead.
    """
    wanted = Options(**options)
    if wanted.backend == "dlib":
        return load_embedder("dlib", folder)
    place = optional_weights.obtain("arcface", wanted.weights)
    if isinstance(place, str):
        raise ValueError(f"evaluation.identity asks for {wanted.backend}, but {place}")
    return load_embedder(wanted.backend, place, threads=threads)


def of_job(job: Job) -> Embedder:
    """Load the embedder of a Snakemake job: its params and input `identity`."""
    return choose(job.params.identity, job.input.identity, threads=job.threads)


def cosine_similarity(first: NDArray, second: NDArray) -> NDArray[np.float32]:
    """Cosine of embeddings [N, D] row by row: [N]."""
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return ((first * second).sum(axis=1) / norms).astype(np.float32)


def alike(strangers: NDArray) -> float:
    """Mean cosine between embeddings [S, E], each against the next: the score of unrelated people."""
    return float(np.nanmean(cosine_similarity(strangers, np.roll(strangers, 1, axis=0))))
