"""Stage `landmarks`: facial points and head pose on images (paper, section 3.1, "Detecting")."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core import geometry, io
from d2a_core.mean_face import template_of
from d2a_core.networks import facemesh
from d2a_core.schemes import WFLW98, Scheme

# Where FFHQ alignment puts the mesh model's square: x, y, side as fractions of the image, and angle.
FFHQ_REGION = (0.5, 0.56, 0.78, 0.0)

# FaceMesh → WFLW. Jaw: the face oval from temple to chin, resampled; then one or two vertices a point.
LEFT_JAW = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)
RIGHT_JAW = (356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152)
JAW_POINTS = 17  # a side, the chin shared
VERTICES = (
    (70,),
    (63,),
    (105,),
    (66,),
    (107,),
    (55,),
    (65,),
    (52,),
    (53,),
    (336,),
    (296,),
    (334,),
    (293,),
    (300,),
    (283,),
    (282,),
    (295,),
    (285,),
    (168,),
    (6, 197, 197),
    (195, 195, 5),
    (4,),
    (98,),
    (97,),
    (2,),
    (326,),
    (327,),
    (33,),
    (161, 160),
    (159,),
    (158, 157),
    (133,),
    (154, 153),
    (145,),
    (144, 163),
    (362,),
    (384, 385),
    (386,),
    (387, 388),
    (263,),
    (390, 373),
    (374,),
    (380, 381),
    (61,),
    (40, 39),
    (37,),
    (0,),
    (267,),
    (270, 269),
    (291,),
    (321,),
    (314,),
    (17,),
    (84,),
    (91,),
    (78,),
    (81,),
    (13,),
    (311,),
    (308,),
    (402,),
    (14,),
    (178,),
)
# Mesh vertices that the iris model's eye contour refines: lower lid outer to inner, then upper lid.
LEFT_CONTOUR = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
RIGHT_CONTOUR = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)


@dataclass(frozen=True)
class Options:
    """Config section `landmarks`."""

    detector: str
    min_score: float
    box: str
    weights: str | None


@dataclass(frozen=True)
class Detections:
    """What a detector saw on N images; rows without a face are NaN but for `score` and `found`.

    `points` [N, P, 2] fractions of width and height, `score` [N] in [0, 1], `found` [N], `angles` [N, 3]
    yaw, pitch, roll in degrees (nose to the right, up, clockwise), `canonical` [N, P, 2] the points turned
    to the front, in inter-ocular distances.
    """

    points: NDArray[np.float32]
    score: NDArray[np.float32]
    found: NDArray[np.bool_]
    angles: NDArray[np.float32]
    canonical: NDArray[np.float32]


class LandmarkDetector(Protocol):
    """A landmark back end: `scheme` names its points."""

    scheme: Scheme

    def detect(self, images: NDArray[np.uint8]) -> Detections:
        """Detect one face on each image u1 [N, H, W, 3]."""
        ...


class FaceMeshDetector:
    """FaceMesh and iris, mapped to the 98 WFLW points.

    `box` "ffhq" starts from the place where aligned faces lie, "detect" searches the image first; either
    way a second look, at a region around the points of the first, refines them. The mapping is not
    validated on WFLW: errors between two images measured with it are comparable, WFLW figures are not.
    """

    scheme = WFLW98

    def __init__(self, options: Options, folder: Path, *, threads: int) -> None:
        if options.box not in ("ffhq", "detect"):
            raise ValueError(f"landmarks.box is {options.box!r}; choose 'ffhq' or 'detect'")
        self.options = options
        self.models = facemesh.FaceModels(folder, threads=threads)

    def detect(self, images: NDArray[np.uint8]) -> Detections:
        """Detect the face of each image u1 [N, H, W, 3]; of several faces the most prominent."""
        regions, sure = self._first_regions(images)
        points, score = two_looks(self.models, images, regions)
        found = sure & (score >= self.options.min_score)
        return describe(points, score, found, self.scheme, images.shape[1:3])

    def _first_regions(self, images: NDArray) -> tuple[NDArray, NDArray]:
        height, width = images.shape[1:3]
        if self.options.box == "detect":
            regions, score = self.models.boxes(images)
            return regions, score >= self.options.min_score
        x, y, side, angle = FFHQ_REGION
        region = np.array([x * width, y * height, side * width, angle], np.float32)
        return np.tile(region, (len(images), 1)), np.ones(len(images), bool)


def two_looks(
    models: facemesh.FaceModels, images: NDArray[np.uint8], regions: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The 98 points [N, 98, 3] in pixels, and the mesh score [N], of the face in one region of each image.

    `images` u1 [N, H, W, 3], `regions` [N, 4]. The second look, at a region around the points of the first,
    refines them; the iris model refines the eyes.
    """
    mesh, _ = models.mesh(facemesh.to_tensor(images), regions)
    regions = facemesh.region_around(mesh)
    regions[:, 2] = np.clip(regions[:, 2], 8, 4 * max(images.shape[1:3]))  # noise has no extent
    points, score, _ = look(models, images, regions)
    return points, score


def look(
    models: facemesh.FaceModels, images: NDArray[np.uint8], regions: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Points [N, 98, 3] in pixels, score [N] and mesh [N, 468, 3] of the faces in `regions` [N, 4]."""
    tensor = facemesh.to_tensor(images)
    mesh, score = models.mesh(tensor, regions)
    irises, contours = models.irises(tensor, mesh)
    mesh[:, LEFT_CONTOUR, :2], mesh[:, RIGHT_CONTOUR, :2] = contours[:, 0], contours[:, 1]
    mirrored, _ = models.mesh(tensor, regions, mirrored=True)
    return symmetric(to_wflw(mesh, irises), to_wflw(mirrored, irises)), score, mesh


def to_wflw(mesh: NDArray, irises: NDArray) -> NDArray[np.float32]:
    """Mesh [N, 468, 3] and iris centres [N, 2, 2] → the 98 WFLW points [N, 98, 3].

    The contour is the mesh's face oval, resampled to equal arc lengths, not the visible silhouette of WFLW.
    The depth of a pupil is that of its eye's middle.
    """
    left, right = (resample(mesh[:, list(line)], JAW_POINTS) for line in (LEFT_JAW, RIGHT_JAW))
    contour = np.concatenate((left, right[:, -2::-1]), axis=1)
    inner = np.stack([mesh[:, list(vertices)].mean(axis=1) for vertices in VERTICES], axis=1)
    points = np.concatenate((contour, inner), axis=1)
    depth = np.stack([points[:, list(eye), 2].mean(axis=1) for eye in (WFLW98.left_eye, WFLW98.right_eye)], 1)
    pupils = np.concatenate((irises, depth[..., None]), axis=2)
    return np.concatenate((points, pupils), axis=1).astype(np.float32)


def symmetric(points: NDArray, mirrored: NDArray) -> NDArray[np.float32]:
    """Mean of points [N, 98, 3] and those found on the mirrored image; the eyes, already refined, are kept.

    FaceMesh errs by 2-3 % of the inter-ocular distance to one side, by as much to the other on the mirror.
    """
    mean = (points + mirrored[:, list(WFLW98.mirror)]) / 2
    eyes = list(WFLW98.parts["eyes"])
    mean[:, eyes] = points[:, eyes]
    return mean


def resample(lines: NDArray, count: int) -> NDArray[np.float64]:
    """Points at equal arc lengths along polylines [N, K, D]: [N, count, D], both ends kept."""
    steps = np.linalg.norm(np.diff(lines[..., :2], axis=1), axis=-1)
    length = np.concatenate((np.zeros((len(lines), 1)), np.cumsum(steps, axis=1)), axis=1)
    wanted = np.linspace(0, 1, count) * length[:, -1:]
    last = lines.shape[1] - 1
    after = np.clip((wanted[..., None] >= length[:, None]).sum(axis=-1), 1, last)
    start, end = (np.take_along_axis(length, index, axis=1) for index in (after - 1, after))
    share = ((wanted - start) / np.maximum(end - start, 1e-9))[..., None]
    low, high = (np.take_along_axis(lines, index[..., None], axis=1) for index in (after - 1, after))
    return low + share * (high - low)


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


def load_detector(options: Options, folder: str | Path, *, device: str, threads: int) -> LandmarkDetector:
    """The back end that `options.detector` names; `folder` holds the MediaPipe models."""
    if options.detector == "facemesh":
        return FaceMeshDetector(options, Path(folder), threads=threads)
    if options.detector == "face-alignment":
        from d2a_core.networks.face_alignment_68 import FaceAlignmentDetector

        return FaceAlignmentDetector(options, Path(folder), device=device, threads=threads)
    raise ValueError(f"landmarks.detector is {options.detector!r}; choose 'facemesh' or 'face-alignment'")


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
        "points": io.points_column(detections.points),
        "canonical": io.points_column(detections.canonical),
        **{name: detections.angles[:, index] for index, name in enumerate(("yaw", "pitch", "roll"))},
    }


def detections(rows: pyarrow.Table) -> Detections:
    """The detections of a landmark table: the inverse of `table`."""
    score, found = (rows.column(name).to_numpy(zero_copy_only=False) for name in ("score", "found"))
    canonical = io.points_array(rows, "canonical")
    return Detections(io.points_array(rows), score, found, io.angles_array(rows), canonical)
