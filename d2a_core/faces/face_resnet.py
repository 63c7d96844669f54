"""dlib's face recognition ResNet (King, 2017) in plain PyTorch, its weights read from dlib's own file.

It gives the numbers of the original in a fifth of the time, has gradients and shows its hidden maps, so that
a reconstruction can be compared with a photograph by what tells people apart. The network: a 7×7
convolution, 14 residual units with a learned affine map in place of batch normalisation, a mean, 128 numbers.
"""

import math
import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from d2a_core.store import manifests

FILE = "dlib_face_recognition_resnet_model_v1.dat"
CHIP_SIDE, CHIP_PADDING = 150, 0.25  # what the network was trained on
MEAN_RGB = (122.782, 117.001, 104.298)
UNITS = (  # channels and whether the unit halves the side, in the order of the file
    *((32, False),) * 3,
    *((64, True), *((64, False),) * 3),
    *((128, True), *((128, False),) * 2),
    *((256, True), *((256, False),) * 2),
    (256, True),
)
STAGES = (3, 7, 10, 13)  # units after which maps are shown: [32, 35²], [64, 17²], [128, 8²], [256, 4²]
FIVE_POINTS = (  # of an upright chip, fractions of its unpadded side: right and left eye corners, nose
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)


class AffineConv(nn.Module):
    """Convolution and a scale and shift of each channel; without padding where the stride is above 1."""

    def __init__(self, weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, stride: int) -> None:
        super().__init__()
        # one convolution instead of two steps: the scale goes into the weights
        self.weight = nn.Parameter(weight * scale[:, None, None, None])
        self.bias = nn.Parameter(bias * scale + shift)
        self.stride, self.padding = stride, weight.shape[-1] // 2 if stride == 1 else 0

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, S, S] → [N, C', S', S']."""
        side = self.weight.shape[-1]
        if x.shape[-1] + 2 * self.padding - side < self.stride:
            # a single place: on two threads PyTorch's gradients of such a convolution vary from run to run
            row = functional.pad(x, (self.padding,) * 4)[..., :side, :side].flatten(1)
            return functional.linear(row, self.weight.flatten(1), self.bias)[..., None, None]
        return functional.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)


class Unit(nn.Module):
    """Residual unit; what the shorter branch lacks in channels or side counts as zero."""

    def __init__(self, conv1: AffineConv, conv2: AffineConv) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv1, conv2

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, S, S] → [N, C', S', S']."""
        change = self.conv2(functional.relu(self.conv1(x)))
        kept = functional.avg_pool2d(x, 2) if self.conv1.stride == 2 else x
        shape = [max(a, b) for a, b in zip(change.shape[1:], kept.shape[1:], strict=True)]
        return functional.relu(_padded(change, shape) + _padded(kept, shape))


def _padded(x: Tensor, shape: list[int]) -> Tensor:
    channels, height, width = (new - old for new, old in zip(shape, x.shape[1:], strict=True))
    return functional.pad(x, (0, width, 0, height, 0, channels))


class FaceResNet(nn.Module):
    """Chips [N, 3, 150, 150] in [0, 255] → hidden maps after each of `STAGES`, and the embedding [N, 128]."""

    mean: Tensor

    def __init__(self, first: AffineConv, units: list[Unit], weight: Tensor) -> None:
        super().__init__()
        self.first, self.units, self.weight = first, nn.ModuleList(units), nn.Parameter(weight)
        self.register_buffer("mean", torch.tensor(MEAN_RGB)[:, None, None])

    def forward(self, chips: Tensor) -> tuple[list[Tensor], Tensor]:
        """The maps that `STAGES` lists and the embedding."""
        x = functional.max_pool2d(functional.relu(self.first((chips - self.mean) / 256)), 3, stride=2)
        maps = []
        for count, unit in enumerate(self.units, start=1):
            x = unit(x)
            if count in STAGES:
                maps.append(x)
        return maps, x.mean(dim=(2, 3)) @ self.weight


def chips(images: Tensor, corners: Tensor) -> Tensor:
    """Cut the squares that the network knows out of images [N, 3, H, W]: [N, 3, 150, 150].

    `corners` [5, 2] are the points of `FIVE_POINTS` on these images, in fractions of their sides; the chip
    is the least-squares similarity that takes them to their places. Larger images are averaged down first.
    """
    places = torch.tensor(FIVE_POINTS, dtype=torch.float64)
    template = (places + CHIP_PADDING) / (1 + 2 * CHIP_PADDING) * 2 - 1
    true = torch.as_tensor(corners, dtype=torch.float64) * 2 - 1
    a, b = (torch.complex(*points.T.contiguous()) for points in (template, true))
    turn = ((a - a.mean()).conj() * (b - b.mean())).sum() / (a - a.mean()).abs().square().sum()
    shift = b.mean() - turn * a.mean()
    halvings = max(0, int(math.log2(turn.abs().item() * images.shape[-1] / CHIP_SIDE)))
    images = functional.avg_pool2d(images, 2**halvings)
    rows = [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    theta = torch.tensor(rows).to(images).expand(len(images), -1, -1)
    grid = functional.affine_grid(theta, [len(images), 3, CHIP_SIDE, CHIP_SIDE], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


class _Reader:
    """Reader of dlib's file of this network, in the order of the file."""

    TOKEN = re.compile(rb"\x01\x05con_4|\x01\x07affine_|\x01\x04fc_2")

    def __init__(self, data: bytes) -> None:
        self.data, self.starts = data, [found.end() for found in self.TOKEN.finditer(data)]

    def integer(self, at: int) -> tuple[int, int]:
        """Read a number and its end: a byte that counts bytes, then these, the lowest first."""
        end = at + 1 + (self.data[at] & 15)
        return int.from_bytes(self.data[at + 1 : end], "little"), end

    def tensor(self, at: int, skip: int = 0) -> Tensor:
        """The flat tensor at `at`, after `skip` numbers: a version, four sides, little-endian float32."""
        sides = []
        for _ in range(skip + 5):
            value, at = self.integer(at)
            sides.append(value)
        count = sides[skip + 1] * sides[skip + 2] * sides[skip + 3] * sides[skip + 4]
        return torch.frombuffer(bytearray(self.data[at : at + 4 * count]), dtype=torch.float32)

    def conv(self, index: int, inputs: int, outputs: int, *, side: int, stride: int) -> AffineConv:
        """Convolution number `index` of the file with the affine map behind it."""
        flat, affine = self.tensor(self.starts[2 * index]), self.tensor(self.starts[2 * index + 1])
        weight, bias = flat[:-outputs].reshape(outputs, inputs, side, side), flat[-outputs:]
        gain, shift = affine.chunk(2)
        return AffineConv(weight, bias, gain, shift, stride)


def load(path: Path) -> FaceResNet:
    """The network of `path`, a `dlib_face_recognition_resnet_model_v1.dat`."""
    reader = _Reader(manifests.check(path).read_bytes())
    if len(reader.starts) != 4 * len(UNITS) + 3:
        raise ValueError(f"{path} is not dlib's face recognition network; run `d2a fetch dlib-face`")
    first = reader.conv(0, 3, 32, side=7, stride=2)
    units, inputs = [], 32
    for number, (outputs, halved) in enumerate(UNITS):
        conv1 = reader.conv(2 * number + 1, inputs, outputs, side=3, stride=2 if halved else 1)
        conv2 = reader.conv(2 * number + 2, outputs, outputs, side=3, stride=1)
        units.append(Unit(conv1, conv2))
        inputs = outputs
    weight = reader.tensor(reader.starts[-1], skip=2).reshape(256, 128)
    return FaceResNet(first, units, weight).eval().requires_grad_(False)
