"""Stage `landmarks`: facial points and head pose on images (paper, section 3.1, "Detecting")."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow
from numpy.typing import ArrayLike, NDArray

from d2a_core.faces import geometry
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import Scheme, scheme_of
from d2a_core.store import tables

if TYPE_CHECKING:  # tables of landmarks are read by many jobs that do without PyTorch
    from torch import Tensor

    from d2a_core.faces.people import People

# A model that errs to one side looks at a face as it is and at its mirror image, and takes the mean.
Look = Literal["both", "straight", "mirrored"]


@dataclass(frozen=True)
class Options:
    """Config section `landmarks`."""

    detector: str
    min_score: float
    box: str
    weights: str | None


@dataclass(frozen=True)
class Detections:
    """Faces on N images; rows without a face are NaN but for `score` and `found`.

    `points` [N, P, 2] fractions of width and height, `score` [N] in [0, 1], `found` [N], `angles` [N, 3]
    yaw, pitch, roll in degrees (nose to the right, up, clockwise), `canonical` [N, P, 2] the points turned
    to the front, in inter-ocular distances.
    """

    points: NDArray[np.float32]
    score: NDArray[np.float32]
    found: NDArray[np.bool_]
    angles: NDArray[np.float32]
    canonical: NDArray[np.float32]

    def rows(self, chosen: ArrayLike) -> "Detections":
        """Some of the images, by their indices or a mask [N]."""
        return Detections(*(getattr(self, part.name)[chosen] for part in fields(self)))


def attributes(seen: Detections) -> NDArray[np.float64]:
    """Attributes [N, A] of detected faces, in the order of `geometry.ATTRIBUTES`; NaN without a face."""
    scheme = scheme_of(seen.points.shape[1])
    found = geometry.attributes(seen.points, seen.canonical, seen.angles, scheme)
    values = np.stack([found[name] for name in geometry.ATTRIBUTES], axis=1).astype(np.float64)
    return np.where(seen.found[:, None], values, np.nan)


class LandmarkDetector(Protocol):
    """A landmark back end: `name` is that in the config, `scheme` says what its points are."""

    name: str
    scheme: Scheme
    options: Options

    def detect(self, images: NDArray[np.uint8]) -> Detections:
        """Detect one face on each image u1 [N, H, W, 3]."""
        ...


@runtime_checkable
class DifferentiableDetector(LandmarkDetector, Protocol):
    """A detector whose points have gradients to the images, float [N, 3, H, W] in [-1, 1] on any device."""

    def regions(self, images: "Tensor") -> "Tensor":
        """Where `detect` looks for the points, a constant: [N, 4] x, y, side and angle (pixels, radians)."""
        ...

    def points(self, images: "Tensor", regions: "Tensor", *, look: Look = "both") -> "Tensor":
        """Points [N, P, 2] as fractions of width and height, as seen in these `regions` [N, 4].

        Both looks at `regions(images)` are what `detect` gives. Of a look alone the points lie where the mean
        has them, give or take that look's error; it costs a network less.
        """
        ...


class Follower(Protocol):
    """Landmarks of one face, frame after frame."""

    people: "People"

    @property
    def person(self) -> int:
        """Whose face was looked at last, a number among the `people`."""
        ...

    @property
    def hidden(self) -> bool:
        """Whether it was not found because somebody else's may be before it."""
        ...

    @property
    def scheme(self) -> Scheme:
        """Meaning of points."""
        ...

    def see(self, image: NDArray[np.uint8], *, cut: bool) -> Detections:
        """Detections of one row on the next frame u1 [H, W, 3]; `cut`: it begins another shot."""
        ...


def describe(
    points: NDArray, score: NDArray, found: NDArray, scheme: Scheme, shape: Sequence[int]
) -> Detections:
    """Pose and canonical points of 3-D points [N, P, 3] in pixels of images with `shape` (height, width)."""
    height, width = shape
    angles, canonical = geometry.head_pose(points, template_of(scheme), scheme.rigid)
    flat = points[..., :2] / np.array([width, height], np.float32)
    blank = ~found
    flat[blank], angles[blank], canonical[blank] = np.nan, np.nan, np.nan
    return Detections(flat.astype(np.float32), score.astype(np.float32), found, angles, canonical)


def detect(
    images: NDArray[np.uint8], detector: LandmarkDetector, *, batch: int = 16, progress=None
) -> Detections:
    """Detect all images u1 [N, H, W, 3], a batch at a time."""
    parts = []
    for start in range(0, len(images), batch):
        parts.append(detector.detect(images[start : start + batch]))
        if progress is not None:
            progress.advance(len(parts[-1].found))
    return join(parts)


def the_face(detector: LandmarkDetector, image: NDArray[np.uint8], name: str) -> Detections:
    """The face of one picture u1 [H, W, 3]; raises ValueError, with its `name`, when there is none."""
    seen = detector.detect(image[None])
    if not seen.found[0]:
        raise ValueError(f"no face found on {name}; give a picture that shows one from the front")
    return seen


def join(parts: Sequence[Detections]) -> Detections:
    """Detections of several batches as one."""
    names = ("points", "score", "found", "angles", "canonical")
    return Detections(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def table(detections: Detections, *, sample_id: Sequence[int]) -> dict[str, object]:
    """Columns of a landmark table, one row an image."""
    return {
        "sample_id": np.asarray(sample_id, dtype=np.int64),
        "found": detections.found,
        "score": detections.score,
        "points": tables.points_column(detections.points),
        "canonical": tables.points_column(detections.canonical),
        **{name: detections.angles[:, index] for index, name in enumerate(("yaw", "pitch", "roll"))},
    }


def detections(rows: pyarrow.Table) -> Detections:
    """The detections of a landmark table: the inverse of `table`."""
    score, found = (rows.column(name).to_numpy(zero_copy_only=False) for name in ("score", "found"))
    canonical = tables.points_array(rows, "canonical")
    return Detections(tables.points_array(rows), score, found, tables.angles_array(rows), canonical)
