"""FAN that sees the source's code: in image space the same landmarks ask for other steps of another face.

StyleMask (Bounareli et al., FG 2023) gives its network the source's styles for the same reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from d2a_core.fan.network import Architecture, Fan, Residual

if TYPE_CHECKING:  # what FAN learns on pairs depends on no generator
    from d2a_core.generator.latent_prior import LatentPrior

START_GAIN = 0.5  # of the steps of the FAN it starts from, which carry age and hair with them
STEP_UNIT = 0.15  # deviations of w that an output of 1 means: a rate that suits the layers suits the steps
LONGEST = 12.0  # deviations that a layer may be moved by what is added


@dataclass(frozen=True)
class Conditioning:
    """Sizes of a conditioned FAN around the FAN `base`; without `sees_code` it is told of landmarks alone."""

    base: Architecture
    width: int
    depth: int
    sees_code: bool

    @property
    def layers(self) -> int:
        """Layers of W+ that it moves."""
        return self.base.layers


class ConditionedFan(nn.Module):
    """A FAN's steps, less or more of them in each layer, and what landmarks and code add.

    The addition spans all of the moved layers, in the whitened coordinates of W, and is nothing at first.
    """

    mean_w: Tensor
    whiten: Tensor
    colour: Tensor

    def __init__(self, architecture: Conditioning, base: Fan, prior: "LatentPrior | None" = None) -> None:
        """Start from the FAN `base`; a `prior` is needed unless weights are loaded."""
        super().__init__()
        self.architecture, self.base = architecture, base
        width, w_dim = architecture.width, architecture.base.w_dim
        self.gain = nn.Parameter(torch.full((architecture.layers, 1), START_GAIN))
        self.embed = nn.Linear(base.embed.in_features, width)
        self.embed_code = nn.Linear(w_dim, width)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(architecture.depth)))
        self.head = nn.Linear(width, architecture.layers * w_dim)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean_w", torch.zeros(w_dim) if prior is None else prior.mean.clone())
        axes = torch.zeros(w_dim, w_dim) if prior is None else prior.axes
        deviation = torch.ones(w_dim) if prior is None else prior.deviation
        self.register_buffer("whiten", (axes / deviation).contiguous())
        self.register_buffer("colour", (axes * deviation).T.contiguous())

    def forward(self, source: Tensor, target: Tensor, code: Tensor) -> Tensor:
        """Landmarks of source and target [N, P, 2] and the source's w [N, 512] → Δw [N, L, 512]."""
        x = self.base.features(source, target)
        hidden = self.embed(x)
        if self.architecture.sees_code:
            hidden = hidden + self.embed_code((code.to(self.mean_w) - self.mean_w) @ self.whiten)
        step = STEP_UNIT * self.head(self.blocks(hidden)).unflatten(1, (self.architecture.layers, -1))
        step = step * (LONGEST / step.norm(dim=-1, keepdim=True).clamp(min=1e-6)).clamp(max=1.0)
        return self.gain * self.base.decide(x) + step @ self.colour


def build(sizes: Mapping, state: Mapping[str, Tensor]) -> ConditionedFan:
    """Make the network of a checkpoint with the architecture `sizes`, to be given its weights `state`."""
    base = Architecture(**sizes["base"])
    return ConditionedFan(Conditioning(**{**sizes, "base": base}), Fan(base, state.get("base.vector")))
