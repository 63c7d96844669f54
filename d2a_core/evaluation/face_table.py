"""Look at pictures of faces: landmarks of both detectors, angles and embeddings of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.evaluation import protocols
from d2a_core.faces import landmarks
from d2a_core.faces.landmarks import Detections, LandmarkDetector
from d2a_core.store import tables

if TYPE_CHECKING:
    from d2a_core.evaluation.instruments import Instruments

BATCH = 8  # pictures read at a time
OWN = ("image", "second_points", "embedding", "embedding_of_mirror")  # columns that no landmark table has

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Faces:
    """Known faces by the path of their picture.

    Their rows: `seen`, the `second` detector's points [N, 68, 2], `embedding` and `flipped` [N, D].
    """

    row: dict[str, int]
    seen: Detections
    second: NDArray[np.float32]
    embedding: NDArray[np.float32]
    flipped: NDArray[np.float32]

    def rows(self, paths: Iterable[str]) -> NDArray[np.int64]:
        """Row of every picture."""
        return np.array([self.row[path] for path in paths], dtype=np.int64)


def look(pictures_: Iterable[tuple[str, Picture]], eyes: "Instruments", progress=None) -> dict[str, object]:
    """Columns of a table of faces: `image`, its path, landmarks, embeddings of it and of its mirror image."""
    paths, parts, second, vectors, mirrored = [], [], [], [], []
    for chunk in chunks(pictures_):
        images = np.stack([image for _, image in chunk])
        seen = eyes.detector.detect(images)
        paths += [path for path, _ in chunk]
        parts.append(seen)
        second.append(eyes.second.points(images, seen.points))
        vectors.append(eyes.embedder.embed(images, seen.points))
        mirrored.append(eyes.embedder.embed(images[:, :, ::-1], mirror(seen.points, eyes.detector)))
        if progress is not None:
            progress.advance(len(chunk))
    detections = landmarks.join(parts)
    return {
        "image": paths,
        **landmarks.table(detections, sample_id=range(len(paths))),
        "second_points": tables.points_column(np.concatenate(second)),
        "embedding": _vectors(np.concatenate(vectors)),
        "embedding_of_mirror": _vectors(np.concatenate(mirrored)),
    }


def mirror(points: NDArray, detector: LandmarkDetector) -> NDArray[np.float32]:
    """Landmarks [N, P, 2] of the mirror images."""
    turned = points[:, list(detector.scheme.mirror)].copy()
    turned[..., 0] = 1 - turned[..., 0]
    return turned


def _vectors(rows: NDArray) -> pyarrow.FixedSizeListArray:
    flat = pyarrow.array(np.ascontiguousarray(rows, dtype=np.float32).reshape(-1))
    return pyarrow.FixedSizeListArray.from_arrays(flat, rows.shape[1])


def _matrix(table: pyarrow.Table, column: str) -> NDArray[np.float32]:
    chunk = table[column].combine_chunks()
    return np.array(chunk.flatten(), dtype=np.float32).reshape(len(table), -1)


def known(table: pyarrow.Table) -> Faces:
    """The faces of tables that `look` made, joined."""
    paths = table["image"].to_pylist()
    seen = Detections(
        points=tables.points_array(table),
        score=table["score"].to_numpy(),
        found=table["found"].to_numpy(zero_copy_only=False),
        angles=tables.angles_array(table),
        canonical=tables.points_array(table, "canonical"),
    )
    rows = {path: index for index, path in enumerate(paths)}
    vectors = (_matrix(table, name) for name in ("embedding", "embedding_of_mirror"))
    return Faces(rows, seen, tables.points_array(table, "second_points"), *vectors)


def chunks(items: Iterable) -> Iterator[list]:
    """Lists of at most BATCH items, in order."""
    stream = iter(items)
    while chunk := list(islice(stream, BATCH)):
        yield chunk


def row_of(faces: pyarrow.Table, name: str) -> pyarrow.Table:
    """The landmark table of the one face called `name`, from a table of `look`."""
    chosen = [protocols.name_of(path) == name for path in faces["image"].to_pylist()]
    return faces.filter(pyarrow.array(chosen)).drop_columns(list(OWN))
