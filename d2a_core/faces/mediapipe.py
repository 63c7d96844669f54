"""MediaPipe face detector, FaceMesh and iris model through OpenVINO, batched over images.

Models and the procedure around them: Bazarevsky et al., "BlazeFace" (2019); Kartynnik et al., "Real-time
Facial Surface Geometry" (2019); Ablavatski et al., "Real-time Pupil Tracking" (2020).
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from d2a_core import runtime
from d2a_core.store import manifests

DETECTOR_SIDE, MESH_SIDE, EYE_SIDE = 256, 192, 64
DETECTOR_LAYERS = ((16, 2), (32, 6))  # stride and anchors of a cell
MIN_BOX_SCORE = 0.5
SAME_FACE = 0.3  # intersection over union from which two boxes are one face (BlazeFace, section 3.3)
MESH_MARGIN = 1.5  # the mesh model sees a square this much larger than the face
EYE_MARGIN = 2.3
MESH_POINTS = 468
LEFT_EYE, RIGHT_EYE = (
    (33, 133),
    (263, 362),
)  # outer and inner corner on the mesh, by side of the image


class FaceModels:
    """The three models, compiled for the CPU. Regions are rows (x, y, side, angle) in pixels and radians."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        import openvino

        core = openvino.Core()
        hints = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            **runtime.FREE_THREADS,
        }

        def compiled(name: str):
            model = core.read_model(manifests.check(Path(folder) / f"{name}.tflite"))
            return core.compile_model(model, "CPU", hints)

        self._detector = compiled("face_detection_back")
        self._mesh = compiled("face_landmark")
        self._iris = compiled("iris_landmark")
        self._anchors = anchors()

    def boxes(self, images: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Region of the most prominent face of each image u1 [N, H, W, 3], [N, 4], and its score [N].

        Images are padded to a square. Overlapping candidates are averaged by score (BlazeFace, section 3.3);
        of several faces the largest weighted by its score wins.
        """
        height, width = images.shape[1:3]
        side = max(height, width)
        whole = np.tile(np.array([width / 2, height / 2, side, 0], np.float32), (len(images), 1))
        crops = crop(to_tensor(images), whole, DETECTOR_SIDE) * 2 - 1
        found = [self._box(row) for row in crops]
        regions = np.stack([region for region, _ in found])
        scale, offset = side / DETECTOR_SIDE, np.array([(width - side) / 2, (height - side) / 2])
        regions[:, :2] = regions[:, :2] * DETECTOR_SIDE * scale + offset
        regions[:, 2] *= side
        return regions.astype(np.float32), np.array([score for _, score in found], np.float32)

    def _box(self, tensor: NDArray) -> tuple[NDArray, float]:
        centre, size, eyes, scores = self._candidates(tensor)
        if not len(centre):
            return np.array([0.5, 0.5, 1.0, 0.0]), float(scores.max())
        best = int(np.argmax(scores * size.max(axis=1)))
        return _merged(centre, size, eyes, scores, _same(centre, size, best)), float(scores[best])

    def faces(self, look: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Regions [K, 4] in pixels of all faces on one look u1 [256, 256, 3], and their scores [K].

        Overlapping candidates are averaged as in `boxes`, from the most prominent face on.
        """
        centre, size, eyes, scores = self._candidates(look.astype(np.float32) / 127.5 - 1)
        regions, sure = np.empty((0, 4), np.float32), np.empty(0, np.float32)
        while len(centre):
            best = int(np.argmax(scores * size.max(axis=1)))
            same = _same(centre, size, best)
            region = _merged(centre, size, eyes, scores, same) * [*[DETECTOR_SIDE] * 3, 1]
            regions, sure = np.vstack((regions, region)), np.append(sure, scores[best])
            centre, size, eyes, scores = (values[~same] for values in (centre, size, eyes, scores))
        return regions.astype(np.float32), sure.astype(np.float32)

    def _candidates(self, tensor: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Centre [K, 2], size [K, 2], eyes [K, 2, 2] as fractions, and score of what may be a face.

        Where nothing may be one, K is 0 for the first three, and the scores are those of all anchors.
        """
        raw, logits = self._detector(tensor[None]).values()
        if raw.shape[-1] == 1:
            raw, logits = logits, raw
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
        likely = np.flatnonzero(scores > MIN_BOX_SCORE)
        rows = raw[0, likely] / DETECTOR_SIDE
        centre, size = rows[:, :2] + self._anchors[likely], rows[:, 2:4]
        eyes = rows[:, 4:8].reshape(-1, 2, 2) + self._anchors[likely][:, None]
        return centre, size, eyes, scores[likely] if len(likely) else scores

    def mesh(
        self, images: Tensor, regions: NDArray, *, mirrored: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mesh points [N, 468, 3] in pixels (z in the same unit, smaller is nearer) and face score [N].

        `images` float [N, 3, H, W] in [0, 1], one region an image. With `mirrored` the model sees each crop
        mirrored; its points come back to where they lie, so a vertex of the left then marks the right.
        """
        crops = crop(images, regions, MESH_SIDE)
        crops = np.ascontiguousarray(crops[:, :, ::-1]) if mirrored else crops
        points = np.empty((len(crops), MESH_POINTS, 3), np.float32)
        score = np.empty(len(crops), np.float32)
        for index, row in enumerate(crops):  # the model's batch is fixed at one
            mesh, logit = self._mesh(row[None]).values()
            points[index] = mesh.reshape(MESH_POINTS, 3)
            score[index] = 1 / (1 + np.exp(-float(logit.ravel()[0])))
        if mirrored:
            points[..., 0] = MESH_SIDE - points[..., 0]
        return back_to_image(points, regions, MESH_SIDE), score

    def irises(self, images: Tensor, mesh: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Iris centres [N, 2, 2] and eye contours [N, 2, 16, 2] in pixels: left, then right eye of the image.

        A contour runs along the lower lid from the outer to the inner corner (9 points), then along the
        upper lid (7 points). The right eye is mirrored before the model sees it, which knows left eyes only.
        """
        centres, contours = [], []
        for corners, mirrored in ((LEFT_EYE, False), (RIGHT_EYE, True)):
            outer, inner = mesh[:, corners[0], :2], mesh[:, corners[1], :2]
            across = outer - inner if mirrored else inner - outer
            middle = (outer + inner) / 2
            side = EYE_MARGIN * np.linalg.norm(across, axis=1)
            regions = np.column_stack((middle, side, np.arctan2(across[:, 1], across[:, 0])))
            crops = crop(images, regions, EYE_SIDE)
            crops = crops[:, :, ::-1] if mirrored else crops
            outputs = np.stack([self._eye(row) for row in crops])
            if mirrored:
                outputs[..., 0] = EYE_SIDE - outputs[..., 0]
            placed = back_to_image(outputs, regions, EYE_SIDE)[..., :2]
            contours.append(placed[:, :16])
            centres.append(placed[:, 16])
        return np.stack(centres, axis=1), np.stack(contours, axis=1)

    def _eye(self, tensor: NDArray) -> NDArray[np.float32]:
        outputs = {value.size: value for value in self._iris(np.ascontiguousarray(tensor)[None]).values()}
        contour, iris = outputs[213].reshape(71, 3), outputs[15].reshape(5, 3)
        return np.concatenate((contour[:16], iris[:1]))


def anchors() -> NDArray[np.float32]:
    """Centres of the detector's anchors as fractions of its input, [896, 2]."""
    rows = []
    for stride, count in DETECTOR_LAYERS:
        cells = (np.arange(DETECTOR_SIDE // stride) + 0.5) * stride / DETECTOR_SIDE
        y, x = np.meshgrid(cells, cells, indexing="ij")
        rows.append(np.repeat(np.stack((x, y), axis=-1).reshape(-1, 2), count, axis=0))
    return np.concatenate(rows).astype(np.float32)


def overlap(centre: NDArray, size: NDArray, best: int) -> NDArray[np.float64]:
    """Intersection over union of every box with box `best`, [K]; `centre` and `size` are [K, 2]."""
    low = np.maximum(centre - size / 2, centre[best] - size[best] / 2)
    high = np.minimum(centre + size / 2, centre[best] + size[best] / 2)
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    return shared / (np.prod(size, axis=1) + np.prod(size[best]) - shared)


def _same(centre: NDArray, size: NDArray, best: int) -> NDArray[np.bool_]:
    """Mask [K] of the candidates with the same face as `best`, itself among them whatever its size."""
    same = overlap(centre, size, best) > SAME_FACE
    same[best] = True
    return same


def _merged(centre: NDArray, size: NDArray, eyes: NDArray, scores: NDArray, same: NDArray) -> NDArray:
    """Region (x, y, side, angle) of the candidates that are the `same`, averaged by score."""
    weight = scores[same] / scores[same].sum()
    x, y = weight @ centre[same]
    left, right = np.tensordot(weight, eyes[same], axes=1)
    across = right - left
    return np.array([x, y, MESH_MARGIN * (weight @ size[same]).max(), np.arctan2(across[1], across[0])])


def to_tensor(images: NDArray) -> Tensor:
    """u1 [N, H, W, 3] → float [N, 3, H, W] in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255


def crop(images: Tensor, regions: NDArray, side: int) -> NDArray[np.float32]:
    """Cut square, rotated regions out of images [N, 3, H, W]: [N, side, side, 3]; black outside.

    Where a region is much larger than the crop the images are averaged down first, else fine texture
    would alias.
    """
    factor = int(np.median(regions[:, 2]) // side)
    if factor > 1:
        images, regions = (
            functional.avg_pool2d(images, factor),
            regions / [factor, factor, factor, 1],
        )
    height, width = images.shape[2:]
    x, y, size, angle = torch.as_tensor(np.asarray(regions), dtype=torch.float32).T[..., None, None]
    cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
    across = (torch.arange(side) + 0.5) / side * 2 - 1
    down = across[:, None]
    columns = (cos * across - sin * down + 2 * x) / width - 1
    rows = (sin * across + cos * down + 2 * y) / height - 1
    grid = torch.stack((columns, rows), dim=-1)  # affine_grid multiplies thin matrices: ten times as long
    cut = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return cut.permute(0, 2, 3, 1).contiguous().numpy()


def back_to_image(points: NDArray, regions: NDArray, side: int) -> NDArray[np.float32]:
    """Points [N, K, 3] in pixels of a crop of `side` → pixels of the image; z keeps its unit."""
    x, y, size, angle = np.asarray(regions, dtype=np.float32).T
    local = points / side
    local[..., :2] -= 0.5
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    turned = (local[..., 0] * cos - local[..., 1] * sin, local[..., 0] * sin + local[..., 1] * cos)
    placed = [turned[0] * size[:, None] + x[:, None], turned[1] * size[:, None] + y[:, None]]
    return np.stack((*placed, local[..., 2] * size[:, None]), axis=-1).astype(np.float32)


def region_around(mesh: NDArray) -> NDArray[np.float32]:
    """Region for the next look at faces with these mesh points [N, 468, 3]: upright, 1.5 times their box."""
    across = mesh[:, RIGHT_EYE[0], :2] - mesh[:, LEFT_EYE[0], :2]
    angle = np.arctan2(across[:, 1], across[:, 0])
    cos, sin = np.cos(-angle)[:, None], np.sin(-angle)[:, None]
    flat = mesh[..., :2]
    upright = np.stack((flat[..., 0] * cos - flat[..., 1] * sin, flat[..., 0] * sin + flat[..., 1] * cos), -1)
    low, high = upright.min(axis=1), upright.max(axis=1)
    middle, side = (low + high) / 2, MESH_MARGIN * (high - low).max(axis=1)
    cos, sin = np.cos(angle), np.sin(angle)
    centre = (middle[:, 0] * cos - middle[:, 1] * sin, middle[:, 0] * sin + middle[:, 1] * cos)
    return np.column_stack((*centre, side, angle)).astype(np.float32)
