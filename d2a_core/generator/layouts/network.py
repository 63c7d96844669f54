"""What a file says of a generator, whichever layout it has."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from d2a_core.generator.checkpoint import KINDS, State

USUAL_TAPS = (1.0, 3.0, 3.0, 1.0)  # of every published StyleGAN2
LR_MULTIPLIER = 0.01  # of the mapping, in all published code; a state dict does not record it
MEAN = "mapping.w_avg"  # of w, under NVIDIA's name


@dataclass(frozen=True)
class Facts:
    """What a file records beside its tensors."""

    lr_multiplier: float
    resample_filter: tuple[float, ...]
    conv_clamp: float | None = None
    fp16_blocks: int = 0


@dataclass(frozen=True)
class Network:
    """A generator as its file has it: `layout`, tensors under NVIDIA's names, facts, and `notes` on the rest.

    `state` may lack the mean of w and noise.
    """

    layout: str
    state: State
    facts: Facts
    notes: tuple[str, ...] = ()


def noise_layer(index: int) -> str:
    """The convolution that the noise input `index` belongs to: 4 px has one, every other block two."""
    return f"synthesis.b{4 << (index + 1) // 2}.conv{int(index % 2 == 0)}"


def pop_taps(tensors: State, suffix: str) -> tuple[float, ...]:
    """Take the low-pass filters out of `tensors`; all are copies of one, up to its gain.

    Raises ValueError where they differ. A file without them means the usual one, which some code computes.
    """
    filters = [tensors.pop(name) for name in list(tensors) if name.endswith(suffix)]
    if not filters:
        return taps(USUAL_TAPS)
    filters = [value / value.sum() for value in filters]
    if any(value.shape != filters[0].shape for value in filters):
        raise ValueError(f"its low-pass filters differ; give {KINDS}")
    if any(not torch.allclose(value, filters[0], atol=1e-6) for value in filters):
        raise ValueError(f"its low-pass filters differ from layer to layer; give {KINDS}")
    return taps(filters[0])


def taps(kernel: Iterable[float] | Tensor | None) -> tuple[float, ...]:
    """Normalised taps of a filter, given as such or as their outer product."""
    kernel = torch.as_tensor(kernel, dtype=torch.float64) if kernel is not None else torch.ones(1)
    kernel = kernel / kernel.sum()
    row = kernel.sum(dim=0) if kernel.ndim == 2 else kernel
    if kernel.ndim == 2 and not torch.allclose(torch.outer(row, row), kernel, atol=1e-6):
        raise ValueError(f"its low-pass filter {kernel.tolist()} is not separable; give a usual StyleGAN2")
    return tuple(row.tolist())
