"""The `face-alignment` package as a back end: 68 points of 2DFAN (Bulat and Tzimiropoulos, ICCV 2017)."""

import warnings
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from face_alignment import FaceAlignment, LandmarksType
from numpy.typing import NDArray
from torch import nn

from d2a_core.faces import landmarks, mediapipe
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68

WEIGHTS = "2DFAN4-11f355bf06.pth.tar"  # the name under which the package's own cache keeps the network
FFHQ_BOX = (
    0.22,
    0.24,
    0.78,
    0.88,
)  # face of an aligned image: left, top, right, bottom as fractions


class FaceAlignmentDetector:
    """68 points of the package's 2-D network on boxes that we give it, so that no second detector is loaded.

    The points are flat. Their depth is taken from the mean face, turned by a weak-perspective fit, which
    is enough for the head pose and for turning the points to the front.
    """

    name, scheme = "face-alignment", IBUG68

    def __init__(self, options: landmarks.Options, folder: Path, *, device: str, threads: int) -> None:
        self.options = options
        searched = options.box == "detect"
        self.models = mediapipe.FaceModels(folder, device=device, threads=threads) if searched else None
        self.network = _Alignment(options.weights, device)

    def detect(self, images: NDArray[np.uint8]) -> landmarks.Detections:
        """Detect the face of each image u1 [N, H, W, 3]; the score is the mean peak of the 68 heatmaps."""
        boxes, sure = self._boxes(images)
        points, score = (
            np.empty((len(images), IBUG68.size, 2), np.float32),
            np.empty(len(images), np.float32),
        )
        for index, (image, box) in enumerate(zip(images, boxes, strict=True)):
            found = self.network.get_landmarks_from_image(image, [box], return_landmark_score=True)
            points[index], score[index] = found[0][0], np.mean(found[1][0])
        seen = sure & (score >= self.options.min_score)
        return landmarks.describe(with_depth(points), score, seen, self.scheme, images.shape[1:3])

    def _boxes(self, images: NDArray) -> tuple[NDArray, NDArray]:
        height, width = images.shape[1:3]
        if self.models is None:
            box = np.array(FFHQ_BOX) * [width, height, width, height]
            return np.tile(box, (len(images), 1)), np.ones(len(images), bool)
        regions, score = self.models.boxes(self.models.tensor(images))
        half = regions[:, 2:3] / mediapipe.MESH_MARGIN / 2
        return np.hstack((regions[:, :2] - half, regions[:, :2] + half)), score >= self.options.min_score


class _Alignment(FaceAlignment):
    """The package's class, with weights from a path when one is given and without its face detector."""

    def __init__(self, weights: str | None, device: str) -> None:
        self._weights = weights
        super().__init__(
            LandmarksType.TWO_D,
            device=device,
            flip_input=False,
            face_detector="folder",
            compile=False,
        )

    def _load_native(
        self, network_name: str, network_size: int, device: str, dtype: torch.dtype
    ) -> nn.Module:
        if self._weights is not None:
            return _torchscript(self._weights, device)
        try:
            return super()._load_native(network_name, network_size, device, dtype)
        except (URLError, OSError) as error:
            place = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
            raise ValueError(
                f"the 68-point network could not be downloaded ({error}); put the file {WEIGHTS} at {place}, "
                "or name a TorchScript copy of it in landmarks.weights"
            ) from error


def _torchscript(path: str, device: str) -> nn.Module:
    if not Path(path).is_file():
        raise ValueError(
            f"landmarks.weights names {path}, which does not exist; put the TorchScript file of 2DFAN there"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(path, map_location=device).eval()
    except RuntimeError as error:
        raise ValueError(
            f"{path} is no TorchScript file; save 2DFAN with torch.jit.save and name it in landmarks.weights"
        ) from error


def with_depth(points: NDArray) -> NDArray[np.float32]:
    """Flat points [N, 68, 2] in pixels → [N, 68, 3]: the mean face under a weak-perspective fit gives z.

    Least squares for the affine camera of the rigid points, made a scaled rotation (Horaud et al., 1997).
    """
    template, rigid = template_of(IBUG68), list(IBUG68.rigid)
    flat = template[rigid] - template[rigid].mean(axis=0)
    chosen = points[:, rigid] - points[:, rigid].mean(axis=1, keepdims=True)
    camera = np.einsum("kp,npc->nck", np.linalg.pinv(flat), chosen)  # [N, 2, 3]
    u, s, vt = np.linalg.svd(camera, full_matrices=False)
    rows = u @ vt
    forward = np.cross(rows[:, 0], rows[:, 1])
    depth = s.mean(axis=1)[:, None] * (template @ forward.T).T
    return np.concatenate((points, depth[..., None]), axis=2).astype(np.float32)
