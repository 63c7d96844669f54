"""Find faces on any photo, at every place and size, and measure the same points as on aligned faces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from d2a_core.faces import geometry
from d2a_core.faces.facemesh import two_looks
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.mediapipe import DETECTOR_SIDE, SAME_FACE, FaceModels, overlap
from d2a_core.faces.schemes import WFLW98

WIDEST_LOOK = 1.5  # longer sides of the photo: a face that fills it is found with a margin around it
LOOK_STEP = 3  # most from one look to the next finer one; the detector sees faces of 6 to 80 % of a look
FINEST_LOOK_PX = 640  # whose smallest visible faces, 40 px, are too small to animate anyway
LOOK_OVERLAP = 0.5  # of neighbouring looks, so that a face up to this share of a look lies whole in one
ROOM = 2.0  # regions around a candidate that are cut out for the mesh
MESH_WORK_PX = 768  # region sides beyond which the cut-out is scaled down: four times what the mesh sees
MIN_SCORE = 0.5  # of the mesh, below which a candidate is no face
MIN_EYES_PX = 16  # distance of the eye centres below which texture passes for a face
MIN_EYES_SHARE = 1 / 8  # of the side of a picture so small that this is less: half of where FFHQ puts them
SMALL_EYES_PX = 48  # distance of the eye centres below which a photo gives the generator little to go by


@dataclass(frozen=True)
class Face:
    """One face of a photo: 98 WFLW `points` [98, 2] in pixels, mesh `score` in [0, 1], `yaw` in degrees."""

    points: NDArray[np.float64]
    score: float
    yaw: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the points in pixels."""
        return (*self.points.min(axis=0).tolist(), *self.points.max(axis=0).tolist())

    @property
    def width(self) -> float:
        """Larger side of the box in pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    @property
    def eye_distance(self) -> float:
        """Distance of the eye centres in pixels."""
        left, right = (self.points[list(eye)].mean(axis=0) for eye in (WFLW98.left_eye, WFLW98.right_eye))
        return float(np.linalg.norm(right - left))


def find(
    image: NDArray[np.uint8],
    models: FaceModels,
    *,
    min_score: float = MIN_SCORE,
    least_px: float = MIN_EYES_PX,
) -> list[Face]:
    """All faces on a photo u1 [H, W, 3] whose eyes are `least_px` apart, the largest first.

    The detector looks at the whole photo and at overlapping squares of it, ever finer; what it takes for a
    face the mesh model must confirm. A face inside a larger one is that face again, or an eye of it that
    some look cut out.
    """
    measured = [_measured(image, models, region) for region in _distinct(image, models)]
    least = min(least_px, MIN_EYES_SHARE * min(image.shape[:2]))
    seen = [face for face in measured if face.score >= min_score and face.eye_distance >= least]
    faces: list[Face] = []
    for face in sorted(seen, key=lambda face: -face.width):
        if not any(_inside(face, larger) for larger in faces):
            faces.append(face)
    return faces


def glance(image: NDArray[np.uint8], models: FaceModels, centre: NDArray, side: float) -> NDArray[np.float64]:
    """Regions [K, 4] of what the detector takes for faces in one square of the photo; quick, and rough.

    `centre` [2] and `side` of the square and x, y, side and angle of the regions are in pixels and radians.
    """
    height, width = image.shape[:2]
    corner, scale = centre - side / 2, DETECTOR_SIDE / side
    left, top = np.clip(np.floor(corner), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(corner + side), [left + 1, top + 1], [width, height]).astype(int)
    small = _scaled(image[top:bottom, left:right], scale)  # what is black around it need not be made first
    shift = np.rint((corner - [left, top]) * scale).astype(int)
    regions = models.faces(_cut(small, shift, DETECTOR_SIDE))[0].astype(np.float64)
    regions[:, :2] += shift
    regions[:, :3] /= scale
    return regions + [left, top, 0, 0]


def choose(faces: Sequence[Face], number: int, *, path: object) -> Face:
    """The `number`-th largest of the faces, the largest for 0 as for 1.

    Raises ValueError, naming the photo `path`, when there is no such face.
    """
    if not faces:
        raise ValueError(
            f"no face found on {path}; give a photo with a whole human face that is turned to the camera, "
            f"upright and at least {2 * SMALL_EYES_PX} px wide"
        )
    if number > len(faces):
        places = ", ".join(
            "{} at x={:.0f} y={:.0f} ({:.0f} px)".format(index, *face.points.mean(axis=0), face.width)
            for index, face in enumerate(faces, start=1)
        )
        raise ValueError(
            f"{path} has no face number {number}: {len(faces)} found, {places}; choose one of them, "
            "or 0 for the largest"
        )
    return faces[max(number, 1) - 1]


def looks(height: int, width: int) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Side in pixels and top left corners [K, 2] of the squares to look at, from coarse to fine."""
    longest = float(max(height, width))
    yield WIDEST_LOOK * longest, np.array([[width, height]]) / 2 - WIDEST_LOOK * longest / 2
    finest = min(longest, FINEST_LOOK_PX)
    steps = int(np.ceil(np.log(longest / finest) / np.log(LOOK_STEP)))
    for side in np.geomspace(longest, finest, steps + 1).tolist():
        across, down = (_places(length, side) for length in (width, height))
        yield side, np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)


def _places(length: int, side: float) -> NDArray[np.float64]:
    """Starts of evenly spread stretches of `side` that cover [0, length] and overlap."""
    if side >= length:
        return np.array([(length - side) / 2])
    return np.linspace(0, length - side, 1 + int(np.ceil((length - side) / (side * (1 - LOOK_OVERLAP)))))


def _distinct(image: NDArray[np.uint8], models: FaceModels) -> Iterator[NDArray[np.float64]]:
    """Regions (x, y, side, angle) in pixels of what may be a face, the surest first, overlaps once."""
    found, scores = [], []
    for side, corners in looks(*image.shape[:2]):
        scale = DETECTOR_SIDE / side
        small = _scaled(image, scale)
        for corner in corners:
            regions, sure = models.faces(_cut(small, np.rint(corner * scale).astype(int), DETECTOR_SIDE))
            regions[:, :2] += np.rint(corner * scale)
            found.append(regions / [scale, scale, scale, 1])
            scores.append(sure)
    regions, sure = np.concatenate(found), np.concatenate(scores)
    while len(regions):
        best = int(np.argmax(sure))
        yield regions[best]
        other = overlap(regions[:, :2], regions[:, [2, 2]], best) <= SAME_FACE
        other[best] = False
        regions, sure = regions[other], sure[other]


def _measured(image: NDArray[np.uint8], models: FaceModels, region: NDArray) -> Face:
    """The face in a region (x, y, side, angle) of the photo, by the mesh."""
    x, y, side, angle = region
    room = max(2, round(ROOM * side))
    corner = np.rint([x - room / 2, y - room / 2]).astype(int)
    patch, scale = _cut(image, corner, room), min(1.0, MESH_WORK_PX / side)
    patch = _scaled(patch, scale) if scale < 1 else patch
    tensor = models.tensor(patch[None])
    inside = tensor.new_tensor([[(x - corner[0]) * scale, (y - corner[1]) * scale, side * scale, angle]])
    with torch.no_grad():
        points, score = (part.cpu().numpy() for part in two_looks(models, tensor, inside))
    angles, _ = geometry.head_pose(points, template_of(WFLW98), WFLW98.rigid)
    placed = points[0, :, :2].astype(np.float64) / scale + corner
    return Face(placed, float(score[0]), float(angles[0, 0]))


def _inside(face: Face, larger: Face) -> bool:
    left, top, right, bottom = larger.box
    x, y = face.points.mean(axis=0)
    return left < x < right and top < y < bottom


def _scaled(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """The photo in another size; a pixel of a smaller one is the mean of what it covers."""
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def _cut(image: NDArray[np.uint8], corner: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
    """Square [side, side, 3] of the photo from `corner` (x, y) on, black where it leaves the photo."""
    height, width = image.shape[:2]
    square = np.zeros((side, side, 3), np.uint8)
    left, top = np.clip(corner, 0, [width, height])
    right, bottom = np.clip(corner + side, 0, [width, height])
    x, y = corner
    square[top - y : bottom - y, left - x : right - x] = image[top:bottom, left:right]
    return square
