"""The two networks of HFGI (Wang et al., "High-Fidelity GAN Inversion for Image Attribute Editing", 2022).

The paper's heads are full 3×3 convolutions from 64 to twice 512 channels: 2.4 G multiplications a call. Here
a head has a narrow waist of `rank` channels, because most of what it must say are the 48 colours of the
4×4 px above each cell, and the shift starts as the ridge regression of features on the distortion map.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2  # of every leaky ReLU
STRIDE = 4  # px of the picture above one cell of the consulted map
COLOURS = 3 * STRIDE**2
PICTURE = 64 * STRIDE  # px, side of the pictures that the networks look at


@dataclass(frozen=True)
class Architecture:
    """Sizes of the networks; `channels` are those of the generator's consulted map."""

    width: int
    rank: int
    channels: int


class Residual(nn.Module):
    """Two 3×3 convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, S, S] → the same shape."""
        return x + self.second(functional.leaky_relu(self.first(functional.leaky_relu(x, SLOPE)), SLOPE))


def _silence(layer: nn.Module) -> None:
    """Zero a layer: it begins by giving nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class Alignment(nn.Module):
    """ADA: a U-Net of residual blocks that lays a distortion map onto the face it is given.

    It predicts what to add to the map, and starts at nothing.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 3 * width, 4 * width]  # at 1/2, 1/4, 1/8 and 1/16 of the side
        self.entry = nn.Conv2d(6 * 4, width, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(Residual(a), nn.Conv2d(a, b, 3, stride=2, padding=1))
            for a, b in zip(widths, widths[1:], strict=False)
        )
        self.bottom = Residual(widths[-1])
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a + b, a, 3, padding=1), Residual(a))
            for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.exit = nn.Conv2d(width, 3 * 4, 3, padding=1)
        _silence(self.exit)

    def forward(self, distortion: Tensor, face: Tensor) -> Tensor:
        """Distortion map and face [N, 3, H, W] → the map where it belongs on that face."""
        x = self.entry(functional.pixel_unshuffle(torch.cat((distortion, face), dim=1), 2))
        passed = []
        for down in self.down:
            passed.append(x)
            x = down(x)
        x = self.bottom(x)
        for up, beside in zip(self.up, reversed(passed), strict=True):
            x = functional.interpolate(x, size=beside.shape[-2:], mode="bilinear", align_corners=False)
            x = up(torch.cat((beside, x), dim=1))
        return distortion + functional.pixel_shuffle(self.exit(x), 2)


class Consultation(nn.Module):
    """Distortion map → scale and shift of the generator's 64 px map."""

    def __init__(self, rank: int, channels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1, stride=2),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(32, 48, 3, padding=1, stride=2),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(48, 64, 3, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        self.scale, self.shift = (
            nn.Sequential(nn.Conv2d(64 + COLOURS, rank, 3, padding=1), nn.Conv2d(rank, channels, 1))
            for _ in range(2)
        )
        for head in (self.scale, self.shift):  # at first the generator is left alone
            _silence(head[1])

    def start_from(self, response: Tensor, basis: Tensor) -> None:
        """Let the shift begin as a linear map of the colours.

        `response` [rank, 48, 3, 3] reads the colours around a cell, `basis` [C, rank] spans the features.
        """
        with torch.no_grad():
            waist = self.shift.get_parameter("0.weight").zero_()
            waist[: len(response), 64:] = response
            self.shift.get_parameter("0.bias").zero_()
            self.shift.get_parameter("1.weight")[:, : len(response), 0, 0] = basis

    def forward(self, distortion: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, 256, 256] → scale and shift, [N, C, 64, 64] each."""
        colours = functional.pixel_unshuffle(distortion, STRIDE)
        x = torch.cat((self.encoder(distortion), colours), dim=1)
        return self.scale(x), self.shift(x)


class Hfgi(nn.Module):
    """Alignment, then consultation."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.alignment = Alignment(architecture.width)
        self.consultation = Consultation(architecture.rank, architecture.channels)

    def forward(self, distortion: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
        """Distortion map and rendered face [N, 3, 256, 256] → scale and shift, [N, C, 64, 64] each."""
        return self.consultation(self.alignment(distortion, face))
