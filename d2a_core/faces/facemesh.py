"""Detect 98 WFLW landmarks with MediaPipe's FaceMesh."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import landmarks, mediapipe
from d2a_core.faces.landmarks import Detections, Options
from d2a_core.faces.schemes import WFLW98

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


class FaceMeshDetector:
    """FaceMesh and iris, mapped to the 98 WFLW points.

    `box` "ffhq" starts from the place where aligned faces lie, "detect" searches the image first; either
    way a second look, at a region around the points of the first, refines them. The mapping is not
    validated on WFLW: errors between two images measured with it are comparable, WFLW figures are not.
    """

    name, scheme = "facemesh", WFLW98

    def __init__(self, options: Options, folder: Path, *, threads: int) -> None:
        if options.box not in ("ffhq", "detect"):
            raise ValueError(f"landmarks.box is {options.box!r}; choose 'ffhq' or 'detect'")
        self.options = options
        self.models = mediapipe.FaceModels(folder, threads=threads)

    def detect(self, images: NDArray[np.uint8]) -> Detections:
        """Detect the face of each image u1 [N, H, W, 3]; of several faces the most prominent."""
        regions, sure = self._first_regions(images)
        points, score = two_looks(self.models, images, regions)
        found = sure & (score >= self.options.min_score)
        return landmarks.describe(points, score, found, self.scheme, images.shape[1:3])

    def _first_regions(self, images: NDArray) -> tuple[NDArray, NDArray]:
        height, width = images.shape[1:3]
        if self.options.box == "detect":
            regions, score = self.models.boxes(images)
            return regions, score >= self.options.min_score
        x, y, side, angle = FFHQ_REGION
        region = np.array([x * width, y * height, side * width, angle], np.float32)
        return np.tile(region, (len(images), 1)), np.ones(len(images), bool)


def two_looks(
    models: mediapipe.FaceModels, images: NDArray[np.uint8], regions: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The 98 points [N, 98, 3] in pixels, and the mesh score [N], of the face in one region of each image.

    `images` u1 [N, H, W, 3], `regions` [N, 4]. The second look, at a region around the points of the first,
    refines them; the iris model refines the eyes.
    """
    mesh, _ = models.mesh(mediapipe.to_tensor(images), regions)
    regions = mediapipe.region_around(mesh)
    regions[:, 2] = np.clip(regions[:, 2], 8, 4 * max(images.shape[1:3]))  # noise has no extent
    points, score, _ = look(models, images, regions)
    return points, score


def look(
    models: mediapipe.FaceModels, images: NDArray[np.uint8], regions: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Points [N, 98, 3] in pixels, score [N] and mesh [N, 468, 3] of the faces in `regions` [N, 4]."""
    tensor = mediapipe.to_tensor(images)
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
