"""FAN, the facial action network: landmark heatmaps of source and target → Δw (paper, equation 3)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

FAINTEST = -80.0  # exponent of the faintest Gaussian: smaller numbers are denormal, and ten times as slow


@dataclass(frozen=True)
class Architecture:
    """Sizes of a FAN; a checkpoint holds them as plain values.

    `points` landmarks, `layers` of W+ moved, `directions` M (0: Δw is predicted directly). `input` is what
    the network sees of the landmarks, `heatmaps` or `coordinates`.
    """

    points: int
    layers: int
    directions: int
    heatmap_size: int
    heatmap_sigma: float
    frequencies: int
    width: int
    depth: int
    dropout: float = 0.0
    input: str = "heatmaps"
    w_dim: int = 512


def gaussians(points: Tensor, *, size: int, sigma: float) -> Tensor:
    """One-dimensional Gaussians along x and y at `points` [N, P, 2]: [N, P, 2, size], peak 1."""
    grid = torch.arange(size, device=points.device, dtype=points.dtype) + 0.5
    distance = (grid - points[..., None] * size) / sigma
    return torch.exp((-0.5 * distance.square()).clamp(min=FAINTEST))


def heatmaps(points: Tensor, *, size: int, sigma: float) -> Tensor:
    """Unimodal Gaussians at `points` [N, P, 2] (fractions of the side): [N, P, size, size], peak 1.

    `sigma` in heatmap pixels. A Gaussian is separable, so it is drawn as an outer product.
    """
    gauss = gaussians(points, size=size, sigma=sigma)
    return gauss[:, :, 1, :, None] * gauss[:, :, 0, None, :]


def cosine_waves(size: int, frequencies: int) -> tuple[Tensor, Tensor]:
    """Rows and columns [K, size] of 2-D cosines up to a total order, the constant left out.

    Against a Gaussian the first two give its x and y, the others its place to higher order: a start from
    which the readout already knows where every landmark is.
    """
    grid = (torch.arange(size) + 0.5) / size
    waves = torch.stack([torch.cos(math.pi * order * grid) for order in range(frequencies + 1)])
    orders = range(frequencies + 1)
    rows, columns = zip(*((i, j) for i in orders for j in orders if 0 < i + j <= frequencies), strict=True)
    return waves[list(rows)], waves[list(columns)]


class HeatmapReadout(nn.Module):
    """Inner products of every heatmap with K learned kernels as large as the map.

    Each kernel is an outer product of a row and a column profile, and so is a Gaussian heatmap: their
    inner product is the product of two one-dimensional ones, and no map needs to be stored. A training
    step costs a hundredth of a convolution over the maps, with the same numbers (tested).
    """

    def __init__(self, size: int, sigma: float, frequencies: int):
        super().__init__()
        rows, columns = cosine_waves(size, frequencies)
        self.features = len(rows)
        self.rows, self.columns = nn.Parameter(rows), nn.Parameter(columns)
        self.sigma = sigma

    def forward(self, points: Tensor) -> Tensor:
        """[N, P, 2] → [N, P, K]; a heatmap is weighted by its mass 2πσ²."""
        gauss = gaussians(points, size=self.rows.shape[1], sigma=self.sigma)
        read = (gauss[:, :, 1] @ self.rows.T) * (gauss[:, :, 0] @ self.columns.T)
        return read / (2 * math.pi * self.sigma**2)


class CoordinateReadout(nn.Module):
    """Landmarks as they are, to show what FAN loses when it sees numbers and no maps."""

    features = 2

    def forward(self, points: Tensor) -> Tensor:
        """[N, P, 2] → [N, P, 2]."""
        return points


class Residual(nn.Module):
    """x + W₂·gelu(W₁·norm(x)); starts as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand, self.project = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[N, width] → [N, width]."""
        return x + self.project(nn.functional.gelu(self.expand(self.norm(x))))


class Fan(nn.Module):
    """Heatmaps → spatial readout → residual MLP → Δw for the first layers of W+.

    With `directions`, the head predicts coefficients c on V and Δw = Σ cᵢ vᵢ, so
    the step stays in the span that CluDistiller found.
    """

    mean: Tensor
    deviation: Tensor
    vector: Tensor

    def __init__(self, architecture: Architecture, vector: Tensor | None = None):
        """Start untrained; `vector` [M, L, 512] is required when `architecture.directions` is not 0."""
        super().__init__()
        self.architecture = architecture
        a = architecture
        heatmaps = a.input == "heatmaps"
        maps = a.heatmap_size, a.heatmap_sigma, a.frequencies
        self.readout = HeatmapReadout(*maps) if heatmaps else CoordinateReadout()
        features = 2 * a.points * self.readout.features
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.dropout = nn.Dropout(architecture.dropout)
        self.embed = nn.Linear(features, architecture.width)
        self.blocks = nn.Sequential(*(Residual(architecture.width) for _ in range(architecture.depth)))
        outputs = architecture.directions or architecture.layers * architecture.w_dim
        self.head = nn.Linear(architecture.width, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        if architecture.directions:
            assert vector is not None and len(vector) == architecture.directions
            self.register_buffer("vector", vector.clone())

    def read(self, source: Tensor, target: Tensor) -> Tensor:
        """Read two point sets [N, P, 2] as the change and the source: [N, 2·P·K]."""
        before, after = self.readout(torch.cat((source, target), dim=1)).chunk(2, dim=1)
        return torch.cat((after - before, before), dim=1).flatten(1)

    def standardise(self, source: Tensor, target: Tensor) -> None:
        """Take mean and deviation of the readout from a sample of the training pairs."""
        with torch.no_grad():
            features = self.read(source, target)
            self.mean.copy_(features.mean(dim=0))
            self.deviation.copy_(features.std(dim=0).clamp(min=1e-4))

    def features(self, source: Tensor, target: Tensor) -> Tensor:
        """Standardised readout [N, 2·P·K] of two point sets [N, P, 2] on any device."""
        seen = self.read(source.to(self.mean.device), target.to(self.mean.device))
        return (seen - self.mean) / self.deviation

    def decide(self, features: Tensor) -> Tensor:
        """Δw [N, L, 512] for standardised `features` [N, 2·P·K]."""
        x = self.head(self.blocks(self.embed(self.dropout(features))))
        if self.architecture.directions:
            return (x @ self.vector.flatten(1)).unflatten(1, self.vector.shape[1:])
        return x.reshape(len(x), self.architecture.layers, self.architecture.w_dim)

    def forward(self, source: Tensor, target: Tensor, code: Tensor | None = None) -> Tensor:
        """Landmarks of source and target [N, P, 2], fractions of the side → Δw [N, L, 512].

        The `code` of the source, which a conditioned FAN sees, is nothing to this one.
        """
        return self.decide(self.features(source, target))
