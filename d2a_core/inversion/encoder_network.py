"""A small image → w encoder on the frozen first convolutions of FaceMesh.

Two thousand faces are too few to train a stem on: from scratch it explains less of w than a ridge
regression on pixels. FaceMesh (Kartynnik et al. 2019) has seen real faces, costs 3 ms an image up to its
12 px map, and its maps do not change with the camera as pixels do.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from d2a_core import runtime
from d2a_core.store import manifests

MESH_SIDE = 192  # px, what FaceMesh sees
PIXEL_SIDE = 48  # px, of the colours that stand beside its maps
SIDE = 12  # of all maps
POOLS = slice(1, 4)  # FaceMesh's poolings whose inputs are read: 48, 24 and 12 px


class Trunk:
    """Maps of an image: FaceMesh's at 48, 24 and 12 px and the colours, all brought to 12 px."""

    channels = 32 + 64 + 128 + 3 * (PIXEL_SIDE // SIDE) ** 2

    def __init__(self, folder: Path, *, threads: int) -> None:
        """Load FaceMesh; `folder` holds `face_landmark.tflite`."""
        import openvino

        core = openvino.Core()
        model = core.read_model(manifests.check(Path(folder) / "face_landmark.tflite"))
        pools = [node for node in model.get_ordered_ops() if node.get_type_name() == "MaxPool"]
        pools.sort(key=lambda node: -node.get_output_partial_shape(0)[2].get_length())
        outputs = [pool.input_value(0) for pool in pools[POOLS]]
        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, **runtime.FREE_THREADS}
        cut = openvino.Model(outputs, model.get_parameters())
        self._network = core.compile_model(cut, "CPU", hints)

    def __call__(self, images: Tensor) -> Tensor:
        """Float [N, 3, H, W] in [-1, 1] → [N, 272, 12, 12]."""
        seen = _resized(images / 2 + 0.5, MESH_SIDE)
        rows = np.ascontiguousarray(seen.permute(0, 2, 3, 1).numpy())
        colours = _resized(images, PIXEL_SIDE)
        maps = torch.stack([self._maps(row[None]) for row in rows])
        return torch.cat((maps, functional.pixel_unshuffle(colours, PIXEL_SIDE // SIDE)), dim=1)

    def _maps(self, row: np.ndarray) -> Tensor:
        """Maps of one image [1, 192, 192, 3]; the model's batch is fixed at one."""
        maps = [torch.from_numpy(value.copy()) for value in self._network(row).values()]
        return torch.cat([functional.adaptive_avg_pool2d(part[0], SIDE) for part in maps])


def _resized(images: Tensor, side: int) -> Tensor:
    size = (side, side)
    return functional.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)


@dataclass(frozen=True)
class Architecture:
    """Sizes of an encoder's head."""

    channels: int
    side: int
    width: int
    dropout: float
    w_dim: int


class Encoder(nn.Module):
    """Maps [N, C, S, S] → w [N, w_dim], in the principal coordinates of the faces it was trained on."""

    mean: Tensor
    deviation: Tensor
    w_mean: Tensor
    axes: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        channels, width, dim = architecture.channels, architecture.width, architecture.w_dim
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("deviation", torch.ones(channels, 1, 1))
        self.register_buffer("w_mean", torch.zeros(dim))
        self.register_buffer("axes", torch.eye(dim))  # rows: principal axes times their deviation
        side = (architecture.side + 1) // 2
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(architecture.dropout),
        )
        self.head = nn.Linear(width * side * side, dim)
        nn.init.zeros_(self.head.weight)  # starts as the mean face
        nn.init.zeros_(self.head.bias)

    def standardise(self, maps: Tensor, w: Tensor) -> None:
        """Take mean and deviation of the channels from `maps` [N, C, S, S], the axes from `w` [N, w_dim]."""
        self.mean.copy_(maps.mean(dim=(0, 2, 3))[:, None, None])
        self.deviation.copy_(maps.std(dim=(0, 2, 3))[:, None, None] + 1e-4)
        self.w_mean.copy_(w.mean(dim=0))
        _, values, axes = torch.linalg.svd(w - self.w_mean, full_matrices=False)
        self.axes.zero_()
        self.axes[: len(axes)] = axes * values[:, None] / max(1, len(w) - 1) ** 0.5

    def forward(self, maps: Tensor) -> Tensor:
        """[N, C, S, S] → [N, w_dim]."""
        coordinates = self.head(self.body((maps - self.mean) / self.deviation))
        return self.w_mean + coordinates @ self.axes
