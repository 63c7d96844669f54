"""Detect 98 WFLW landmarks with MediaPipe's FaceMesh."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from d2a_core.faces import landmarks, mediapipe
from d2a_core.faces.landmarks import Detections, Look, Options
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

    def __init__(self, options: Options, folder: Path, *, device: str, threads: int) -> None:
        if options.box not in ("ffhq", "detect"):
            raise ValueError(f"landmarks.box is {options.box!r}; choose 'ffhq' or 'detect'")
        self.options = options
        self.models = mediapipe.FaceModels(folder, device=device, threads=threads)

    @torch.no_grad()
    def detect(self, images: NDArray[np.uint8]) -> Detections:
        """Detect the face of each image u1 [N, H, W, 3]; of several faces the most prominent."""
        tensor = self.models.tensor(images)
        regions, sure = self._first_regions(tensor)
        points, score = (part.cpu().numpy() for part in two_looks(self.models, tensor, regions))
        found = sure & (score >= self.options.min_score)
        return landmarks.describe(points, score, found, self.scheme, images.shape[1:3])

    @torch.no_grad()
    def regions(self, images: Tensor) -> Tensor:
        """Regions [N, 4] (x, y, side, angle; pixels, radians) of the second look that `detect` takes.

        `images` float [N, 3, H, W] in [-1, 1].
        """
        tensor = self._seen(images)
        return second_regions(self.models, tensor, self._first_regions(tensor)[0]).to(images.device)

    def points(self, images: Tensor, regions: Tensor, *, look: Look = "both") -> Tensor:
        """Points [N, 98, 2] as fractions of width and height, with gradients to `images`; see `detect`.

        `images` float [N, 3, H, W] in [-1, 1], `regions` [N, 4] as `regions` gives them.
        """
        tensor, place = self._seen(images), regions.to(self.models.device)
        if look == "both":
            points, _, _ = symmetric_look(self.models, tensor, place)
        else:
            points = single_look(self.models, tensor, place, mirrored=look == "mirrored")
        height, width = images.shape[2:]
        return (points[..., :2] / points.new_tensor([width, height])).to(images.device)

    def look_at(
        self, images: NDArray[np.uint8], regions: NDArray
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Points [N, 98, 3] in pixels, score [N] and mesh [N, 468, 3] of the faces in `regions` [N, 4]."""
        place = torch.from_numpy(regions.astype(np.float32)).to(self.models.device)
        with torch.no_grad():
            points, score, mesh = symmetric_look(self.models, self.models.tensor(images), place)
        return points.cpu().numpy(), score.cpu().numpy(), mesh.cpu().numpy()

    def _seen(self, images: Tensor) -> Tensor:
        """Images in [-1, 1], as the models see them once they are pictures of 8 bits: in [0, 1]."""
        return (images.to(self.models.device) / 2 + 0.5).clamp(0, 1)

    def _first_regions(self, images: Tensor) -> tuple[Tensor, NDArray[np.bool_]]:
        height, width = images.shape[2:]
        if self.options.box == "detect":
            regions, score = self.models.boxes(images)
            return torch.from_numpy(regions).to(images), score >= self.options.min_score
        x, y, side, angle = FFHQ_REGION
        region = images.new_tensor([x * width, y * height, side * width, angle])
        return region.expand(len(images), 4), np.ones(len(images), bool)


def two_looks(models: mediapipe.FaceModels, images: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """The 98 points [N, 98, 3] in pixels, and the mesh score [N], of the face in one region of each image.

    `images` float [N, 3, H, W] in [0, 1], `regions` [N, 4]. The second look, at a region around the points of
    the first, refines them; the iris model refines the eyes.
    """
    points, score, _ = symmetric_look(models, images, second_regions(models, images, regions))
    return points, score


def second_regions(models: mediapipe.FaceModels, images: Tensor, regions: Tensor) -> Tensor:
    """Regions [N, 4] around the faces that a first look at `regions` [N, 4] sees on images [N, 3, H, W]."""
    mesh, _ = models.mesh(mediapipe.crop(images, regions, mediapipe.MESH_SIDE), regions)
    x, y, side, angle = mediapipe.region_around(mesh).T
    side = side.clamp(8, 4 * max(images.shape[2:]))  # noise has no extent
    return torch.stack((x, y, side, angle), dim=1)


def symmetric_look(
    models: mediapipe.FaceModels, images: Tensor, regions: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Points [N, 98, 3] in pixels, score [N] and mesh [N, 468, 3] of the faces in `regions` [N, 4]."""
    crops = mediapipe.crop(images, regions, mediapipe.MESH_SIDE)
    mesh, score = models.mesh(crops, regions)
    mesh, irises = _with_eyes(models, images, mesh)
    mirrored, _ = models.mesh(crops, regions, mirrored=True)
    return symmetric(to_wflw(mesh, irises), to_wflw(mirrored, irises)), score, mesh


def single_look(models: mediapipe.FaceModels, images: Tensor, regions: Tensor, *, mirrored: bool) -> Tensor:
    """Points [N, 98, 3] in pixels by one of the meshes of `symmetric_look`, with eyes where it has them."""
    mesh, _ = models.mesh(mediapipe.crop(images, regions, mediapipe.MESH_SIDE), regions, mirrored=mirrored)
    points = to_wflw(*_with_eyes(models, images, mesh, mirrored=mirrored))
    return points[:, WFLW98.mirror] if mirrored else points


def _with_eyes(
    models: mediapipe.FaceModels, images: Tensor, mesh: Tensor, *, mirrored: bool = False
) -> tuple[Tensor, Tensor]:
    """The mesh [N, 468, 3] with the eyes that the iris model sees, and its iris centres [N, 2, 2]."""
    irises, contours = models.irises(images, mesh, mirrored=mirrored)
    mesh = mesh.clone()
    mesh[:, LEFT_CONTOUR + RIGHT_CONTOUR, :2] = contours.flatten(1, 2)
    return mesh, irises


def to_wflw(mesh: Tensor, irises: Tensor) -> Tensor:
    """Mesh [N, 468, 3] and iris centres [N, 2, 2] → the 98 WFLW points [N, 98, 3].

    The contour is the mesh's face oval, resampled to equal arc lengths, not the visible silhouette of WFLW.
    The depth of a pupil is that of its eye's middle.
    """
    left, right = resample(torch.cat((mesh[:, LEFT_JAW], mesh[:, RIGHT_JAW])), JAW_POINTS).chunk(2)
    inner = torch.einsum("pv,nvd->npd", _means(mesh.device, mesh.dtype), mesh)
    points = torch.cat((left, right[:, :-1].flip(1), inner), dim=1)
    eyes = points[:, WFLW98.left_eye + WFLW98.right_eye, 2:].unflatten(1, (2, -1))
    return torch.cat((points, torch.cat((irises, eyes.mean(dim=2)), dim=2)), dim=1)


@cache
def _means(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Matrix [63, 468] that takes a mesh to its means over `VERTICES`."""
    matrix = torch.zeros(len(VERTICES), mediapipe.MESH_POINTS, dtype=dtype)
    for row, vertices in zip(matrix, VERTICES, strict=True):
        for vertex in vertices:
            row[vertex] += 1 / len(vertices)
    return matrix.to(device)


def symmetric(points: Tensor, mirrored: Tensor) -> Tensor:
    """Mean of points [N, 98, 3] and those found on the mirrored image; the eyes, already refined, are kept.

    FaceMesh errs by 2-3 % of the inter-ocular distance to one side, by as much to the other on the mirror.
    """
    mean = (points + mirrored[:, WFLW98.mirror]) / 2
    eyes = WFLW98.parts["eyes"]
    mean[:, eyes] = points[:, eyes]
    return mean


def resample(lines: Tensor, count: int) -> Tensor:
    """Points at equal arc lengths along polylines [N, K, D]: [N, count, D], both ends kept."""
    steps = lines[..., :2].diff(dim=1).norm(dim=-1)
    length = functional.pad(steps.cumsum(dim=1), (1, 0))
    wanted = torch.linspace(0, 1, count, dtype=lines.dtype, device=lines.device) * length[:, -1:]
    after = (wanted[..., None] >= length[:, None]).sum(dim=-1).clamp(1, lines.shape[1] - 1)
    start, end = length.gather(1, after - 1), length.gather(1, after)
    share = ((wanted - start) / (end - start).clamp(min=1e-9))[..., None]
    places = after[..., None].expand(-1, -1, lines.shape[2])
    return torch.lerp(lines.gather(1, places - 1), lines.gather(1, places), share)
