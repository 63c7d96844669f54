"""Find the cast of a clip: tell its people apart, and invert everybody's face.

The first person's code is that of the clip as a source. Who else comes after a cut is inverted from the first
good frame that shows them: from another person's code the few steps of a frame lead to no likeness.
"""

import logging
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray

from d2a_core.animation import stretches
from d2a_core.animation.cast import Cast
from d2a_core.animation.stretches import NOBODY
from d2a_core.faces.alignment import Crop, extract
from d2a_core.faces.dlib_identity import DlibEmbedder
from d2a_core.faces.people import SAME
from d2a_core.generator import rendering
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.inversion import inversion
from d2a_core.media.video_reading import Frame
from d2a_core.runtime import Progress
from d2a_core.store import tables

LOOK = 512  # px, side at which faces are told apart


def told_apart(
    embeddings: NDArray[np.float32], *, first: int, same: float = SAME
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tell the people of stretches apart, from the embedding [S, E] of each.

    Returns the number of the person [S] of each stretch, and the stretch [N] that each person is known from.
    Person 0 is the one of the stretch `first`. Each stretch is of the person it is nearest to, or of somebody
    new.
    """
    person = np.full(len(embeddings), NOBODY, np.int64)
    known: list[int] = []
    for index in (first, *(each for each in range(len(embeddings)) if each != first)):
        away = np.linalg.norm(embeddings[known] - embeddings[index], axis=1)
        if len(known) and away.min() < same:
            person[index] = int(away.argmin())
        else:
            person[index] = len(known)
            known.append(index)
    return person, np.array(known, np.int64)


def faces_at(frames: Iterable[Frame], quads: NDArray, size: int) -> Iterator[NDArray[np.uint8]]:
    """Cut out the face of some frames, aligned, u1 [size, size, 3]; `quads` [T, 4, 2] are of all frames."""
    for frame in frames:
        yield extract(frame.image, Crop(quads[frame.index].astype(np.float64), size))


def found(
    table: pyarrow.Table, faces: Iterable[NDArray[np.uint8]], embedder: DlibEmbedder
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Say who is seen in each frame [T] of a clip, and which frames [S] its people are known from.

    `faces` u1 [S, S, 3] are those of its `stretches.starts`, in order. Person 0 is the one that the clip as a
    whole starts from.
    """
    start, number = stretches.starts(table), stretches.stretches(table)
    points = tables.points_array(table)[start]
    seen = [embedder.embed(face[None], here[None]) for face, here in zip(faces, points, strict=True)]
    first = int(np.flatnonzero(start == stretches.first(table))[0])
    person, known = told_apart(np.concatenate(seen), first=first)
    return np.where(number < 0, NOBODY, person[number]), start[known]


def of_clip(
    table: pyarrow.Table,
    frames_at: Callable[[NDArray[np.int64]], Iterable[Frame]],
    first: tuple[NDArray, NDArray],
    invert: Callable[[NDArray[np.uint8]], tuple[NDArray, NDArray]],
    embedder: DlibEmbedder,
    *,
    size: int,
) -> Cast:
    """The cast of a tracked clip, from its `table`.

    `frames_at` gives frames by their numbers, in order. `first` are code [1, K, D] and landmarks [1, P, 2] of
    the person that the clip starts from; `invert` finds those of an aligned face u1 [size, size, 3], the
    landmarks NaN where the code shows none: that person is left as nobody. Raises ValueError where this is so
    of everybody.
    """
    quads = tables.points_array(table, "quad")
    person, start = found(table, faces_at(frames_at(stretches.starts(table)), quads, LOOK), embedder)
    parts = [first]
    for row in start[1:]:
        parts += map(invert, faces_at(frames_at(np.array([row])), quads, size))
    wplus, points = map(np.concatenate, zip(*parts, strict=True))
    blank = np.isnan(points).any(axis=(1, 2))
    lost = (person >= 0) & blank[person]
    if blank.all():
        raise ValueError(
            "no code shows a face of the clip; choose one that shows a face large and from the front"
        )
    return Cast(np.where(lost, NOBODY, person), stretches.stretches(table), start, wplus, points)


def inverter(
    generator: PretrainedGenerator,
    judges: inversion.Judges,
    options: inversion.Options,
    encode: Callable[[NDArray[np.uint8]], NDArray[np.float32] | None],
    *,
    log: logging.Logger,
) -> Callable[[NDArray[np.uint8]], tuple[NDArray, NDArray]]:
    """Return what inverts an aligned face u1 [R, R, 3]: its code [1, K, D] and landmarks [1, P, 2].

    `encode` gives the code that an encoder makes of a face, if any. Landmarks are NaN where neither the face
    nor what its code shows is seen as one.
    """

    def invert(face: NDArray[np.uint8]) -> tuple[NDArray, NDArray]:
        if not judges.detector.detect(face[None]).found[0]:
            empty = generator.num_layers, generator.w_dim
            return np.zeros((1, *empty), np.float32), np.full((1, judges.detector.scheme.size, 2), np.nan)
        progress = Progress(log, "inversion", inversion.steps(options), unit="steps")
        likeness = inversion.likeness_to(face, judges, options)
        code = inversion.find_code(generator, likeness, options, start=encode(face), progress=progress).wplus
        return code, judges.detector.detect(rendering.render(generator, torch.from_numpy(code))).points

    return invert
