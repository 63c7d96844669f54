"""MediaPipe face detector, FaceMesh and iris model, batched over images.

Models and the procedure around them: Bazarevsky et al., "BlazeFace" (2019); Kartynnik et al., "Real-time
Facial Surface Geometry" (2019); Ablavatski et al., "Real-time Pupil Tracking" (2020).
"""

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from d2a_core import runtime
from d2a_core.faces import tflite_network
from d2a_core.store import manifests

DETECTOR_SIDE, MESH_SIDE, EYE_SIDE = 256, 192, 64
DETECTOR_LAYERS = ((16, 2), (32, 6))  # stride and anchors of a cell
MIN_BOX_SCORE = 0.5
SAME_FACE = 0.3  # intersection over union from which two boxes are one face (BlazeFace, section 3.3)
MESH_MARGIN = 1.5  # the mesh model sees a square this much larger than the face
EYE_MARGIN = 2.3
MESH_POINTS, EYE_POINTS, IRIS_POINTS = 468, 71, 5
LEFT_EYE, RIGHT_EYE = (
    (33, 133),
    (263, 362),
)  # outer and inner corner on the mesh, by side of the image


class FaceModels:
    """The three models. Regions are rows (x, y, side, angle) in pixels and radians, images lie on `device`.

    On a CPU OpenVINO runs them, an image at a time; PyTorch runs mesh and iris, batched, on other devices and
    for images that need gradients. The detector, from which nothing learns, is OpenVINO's everywhere.
    """

    def __init__(self, folder: Path, *, device: str, threads: int) -> None:
        def path(name: str) -> Path:
            return manifests.check(Path(folder) / f"{name}.tflite")

        self.device = device
        self._detector = compiled(path("face_detection_back"), threads=threads)
        self._mesh = _Network(path("face_landmark"), device=device, threads=threads)
        self._iris = _Network(path("iris_landmark"), device=device, threads=threads)
        self._anchors = anchors()

    def tensor(self, images: NDArray[np.uint8]) -> Tensor:
        """u1 [N, H, W, 3] → float [N, 3, H, W] in [0, 1], on the device."""
        there = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        return there.permute(0, 3, 1, 2).float() / 255

    def boxes(self, images: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Region [N, 4] of the most prominent face of each image [N, 3, H, W] in [0, 1], and its score [N].

        Images are padded to a square. Overlapping candidates are averaged by score (BlazeFace, section 3.3);
        of several faces the largest weighted by its score wins.
        """
        height, width = images.shape[2:]
        side = max(height, width)
        whole = images.new_tensor([width / 2, height / 2, side, 0]).expand(len(images), 4)
        crops = crop(images, whole, DETECTOR_SIDE) * 2 - 1
        found = [self._box(row) for row in crops.cpu().numpy()]
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
        raw, logits = self._detector(np.ascontiguousarray(tensor[None])).values()
        if raw.shape[-1] == 1:
            raw, logits = logits, raw
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
        likely = np.flatnonzero(scores > MIN_BOX_SCORE)
        rows = raw[0, likely] / DETECTOR_SIDE
        centre, size = rows[:, :2] + self._anchors[likely], rows[:, 2:4]
        eyes = rows[:, 4:8].reshape(-1, 2, 2) + self._anchors[likely][:, None]
        return centre, size, eyes, scores[likely] if len(likely) else scores

    def mesh(self, crops: Tensor, regions: Tensor, *, mirrored: bool = False) -> tuple[Tensor, Tensor]:
        """Mesh points [N, 468, 3] in pixels (z in the same unit, smaller is nearer) and face score [N].

        `crops` [N, 192, 192, 3] are those of the `regions`. With `mirrored` the model sees each mirrored; its
        points come back to where they lie, so a vertex of the left then marks the right.
        """
        outputs = self._mesh(crops.flip(2) if mirrored else crops)
        points = outputs[3 * MESH_POINTS].unflatten(1, (MESH_POINTS, 3))
        points = _flipped(points, MESH_SIDE) if mirrored else points
        return back_to_image(points, regions, MESH_SIDE), outputs[1].flatten().sigmoid()

    def irises(self, images: Tensor, mesh: Tensor, *, mirrored: bool = False) -> tuple[Tensor, Tensor]:
        """Iris centres [N, 2, 2] and eye contours [N, 2, 16, 2] in pixels: the mesh's left, then right eye.

        A contour runs along the lower lid from the outer to the inner corner (9 points), then along the
        upper lid (7 points). The right eye of an image, which a `mirrored` mesh calls its left, is mirrored
        before the model sees it, which knows left eyes only. The places of the eyes are constants.
        """
        crops, regions = [], []
        for corners, flip in ((LEFT_EYE, mirrored), (RIGHT_EYE, not mirrored)):
            regions.append(_eye_regions(mesh.detach(), corners, flip=flip))
            eyes = crop(images, regions[-1], EYE_SIDE)
            crops.append(eyes.flip(2) if flip else eyes)
        outputs = self._iris(torch.cat(crops))
        contours, irises = (outputs[3 * size].unflatten(1, (size, 3)) for size in (EYE_POINTS, IRIS_POINTS))
        left, right = torch.cat((contours[:, :16], irises[:, :1]), dim=1).chunk(2)
        left, right = (_flipped(left, EYE_SIDE), right) if mirrored else (left, _flipped(right, EYE_SIDE))
        pairs = zip((left, right), regions, strict=True)
        placed = torch.stack([back_to_image(eye, region, EYE_SIDE)[..., :2] for eye, region in pairs], dim=1)
        return placed[:, :, 16], placed[:, :, :16]


class _Network:
    """One model on OpenVINO, or on PyTorch where that is faster or alone has gradients; see `FaceModels`."""

    def __init__(self, path: Path, *, device: str, threads: int) -> None:
        self._path, self._device = path, device
        self._compiled = compiled(path, threads=threads) if device == "cpu" else None
        self._turn = threading.Lock()  # OpenVINO's network serves one thread at a time

    @cached_property
    def _module(self) -> nn.Module:
        """Made when it is needed: most jobs need no gradients."""
        return tflite_network.load(self._path).to(self._device)

    def __call__(self, rows: Tensor) -> dict[int, Tensor]:
        """Images [N, H, W, 3] → the outputs [N, K], by their K."""
        if self._compiled is None or rows.requires_grad:
            outputs = self._module(rows)
        else:
            images = rows.contiguous().numpy()
            with self._turn:
                found = [tuple(self._compiled(image[None]).values()) for image in images]
            outputs = [torch.from_numpy(np.concatenate(part)) for part in zip(*found, strict=True)]
        return {output[0].numel(): output.flatten(1) for output in outputs}


def compiled(path: Path, *, threads: int) -> Callable[[NDArray], Mapping[object, NDArray]]:
    """A network of OpenVINO's for the CPU; its batch is fixed at one."""
    import openvino

    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        **runtime.FREE_THREADS,
    }
    core = openvino.Core()
    return core.compile_model(core.read_model(path), "CPU", hints)


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


def _eye_regions(mesh: Tensor, corners: tuple[int, int], *, flip: bool) -> Tensor:
    """Regions [N, 4] around the eyes with these outer and inner corners of the mesh [N, 468, 3]."""
    outer, inner = mesh[:, corners[0], :2], mesh[:, corners[1], :2]
    across = outer - inner if flip else inner - outer
    side, angle = EYE_MARGIN * across.norm(dim=1), torch.atan2(across[:, 1], across[:, 0])
    return torch.cat(((outer + inner) / 2, side[:, None], angle[:, None]), dim=1)


def _flipped(points: Tensor, side: int) -> Tensor:
    """Points [N, K, 3] in pixels of a crop of `side`, of the mirrored crop."""
    return torch.cat((side - points[..., :1], points[..., 1:]), dim=-1)


def crop(images: Tensor, regions: Tensor, side: int) -> Tensor:
    """Cut square, rotated regions [N, 4] out of images [N, 3, H, W]: [N, side, side, 3]; black outside.

    Where a region is much larger than the crop the image is averaged down first, else fine texture would
    alias.
    """
    factors = (regions[:, 2] / side).int().clamp(1, min(images.shape[2:])).tolist()
    if len(set(factors)) > 1:
        pairs = zip(images.split(1), regions.split(1), strict=True)
        return torch.cat([crop(image, region, side) for image, region in pairs])
    if factors[0] > 1:
        images = functional.avg_pool2d(images, factors[0])
        regions = regions / regions.new_tensor([factors[0], factors[0], factors[0], 1])
    height, width = images.shape[2:]
    x, y, size, angle = regions.T[..., None, None]
    cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
    across = (torch.arange(side, dtype=images.dtype, device=images.device) + 0.5) / side * 2 - 1
    down = across[:, None]
    columns = (cos * across - sin * down + 2 * x) / width - 1
    rows = (sin * across + cos * down + 2 * y) / height - 1
    grid = torch.stack((columns, rows), dim=-1)  # affine_grid multiplies thin matrices: ten times as long
    cut = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return cut.permute(0, 2, 3, 1)


def back_to_image(points: Tensor, regions: Tensor, side: int) -> Tensor:
    """Points [N, K, 3] in pixels of a crop of `side` → pixels of the image; z keeps its unit."""
    x, y, size, angle = regions.T[..., None]
    cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
    across, down = points[..., 0] / side - 0.5, points[..., 1] / side - 0.5
    placed = (across * cos - down * sin + x, across * sin + down * cos + y)
    return torch.stack((*placed, points[..., 2] / side * size), dim=-1)


def region_around(mesh: Tensor) -> Tensor:
    """Region for the next look at faces with these mesh points [N, 468, 3]: upright, 1.5 times their box."""
    across = mesh[:, RIGHT_EYE[0], :2] - mesh[:, LEFT_EYE[0], :2]
    angle = torch.atan2(across[:, 1:], across[:, :1])
    cos, sin = torch.cos(angle), torch.sin(angle)
    x, y = mesh[..., 0], mesh[..., 1]
    upright = torch.stack((x * cos + y * sin, y * cos - x * sin), dim=-1)
    low, high = upright.amin(dim=1), upright.amax(dim=1)
    (x, y), side = ((low + high) / 2).T[..., None], MESH_MARGIN * (high - low).amax(dim=1, keepdim=True)
    return torch.cat((x * cos - y * sin, x * sin + y * cos, side, angle), dim=1)
