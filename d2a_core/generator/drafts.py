"""Drafts: cheap, small images of a generator, drawn by the network itself or read off a hidden map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from d2a_core.generator.contract import Synthesizer
from d2a_core.generator.engine import compile_openvino, run_compiled

SMALLEST = 32  # px, of a draft read off a hidden map
SEED = 20_220_001  # of the faces a draft is fitted on
RENDERS = 30  # full renders it is fitted on; twice as many give 0.2 dB, and landmarks that are no nearer
RIDGE = 1e-4  # penalty of a readout's fit, as a share of the mean squared feature


@dataclass(frozen=True)
class Draft:
    """How to make images of `size` px.

    `weight` [12, C] and `bias` [12] read them off a hidden map; without them the network draws that size.
    """

    size: int
    weight: Tensor | None = None
    bias: Tensor | None = None

    def __call__(self, features: Tensor) -> Tensor:
        """[N, C, size/2, size/2] → [N, 3, size, size]."""
        assert self.weight is not None and self.bias is not None  # the network draws other sizes itself
        bands = functional.conv2d(
            features, self.weight[:, :, None, None].to(features), self.bias.to(features)
        )
        return functional.pixel_shuffle(bands, 2)


def sizes(synthesis: Synthesizer) -> list[int]:
    """Sides that a draft can have, in px: what the network draws, and twice the sides of its hidden maps."""
    readable = (SMALLEST << step for step in range((synthesis.resolution // SMALLEST).bit_length()))
    return sorted({*synthesis.sizes, *(size for size in readable if size < synthesis.resolution)})


def blocks(size: int) -> int:
    """Blocks to run for a draft read at `size` px, whose features lie at half that side (4 px before any)."""
    return int(size // 8).bit_length() - 1


def check_size(synthesis: Synthesizer, size: int) -> None:
    """Raise ValueError for a draft that the network cannot give."""
    if size > synthesis.resolution:
        raise ValueError(
            f"generator.draft_size is {size} px, but this generator's images have only "
            f"{synthesis.resolution} px; set it to {synthesis.resolution} or less"
        )
    if size not in sizes(synthesis):
        known = ", ".join(map(str, sizes(synthesis)))
        raise ValueError(f"a draft cannot be {size} px wide; choose one of {known}")


class DraftNetwork(nn.Module):
    """The network up to the map that a `draft` is read from, and the readout."""

    def __init__(self, synthesis: Synthesizer, draft: Draft):
        super().__init__()
        self.synthesis, self.draft = synthesis, draft

    def forward(self, wplus: Tensor, *consultation: Tensor) -> Tensor:
        """W+ [N, L, D] → [N, 3, size, size]."""
        return self.draft(self.synthesis.hidden(wplus, blocks(self.draft.size), consultation))


class _HiddenAndImage(nn.Module):
    """The map that drafts are read from [N, C, size/2, size/2], beside the image reduced to `size`."""

    def __init__(self, synthesis: Synthesizer, size: int):
        super().__init__()
        self.synthesis, self.size = synthesis, size

    def forward(self, wplus: Tensor) -> tuple[Tensor, Tensor]:
        image = self.synthesis(wplus)
        reduced = functional.avg_pool2d(image, image.shape[-1] // self.size)
        return self.synthesis.hidden(wplus, blocks(self.size)), reduced


def fit(generator, *, size: int, renders: int = RENDERS, progress=None) -> Draft:
    """The draft of `size` px; a size that the network does not draw is fitted on full renders.

    Every pixel of the hidden map (side size/2, C channels) predicts the 2×2 RGB pixels above it:
    min ‖W f - y‖² + RIDGE·mean(diag F)·‖W‖² over `renders` random faces.
    """
    check_size(generator.synthesis, size)
    if size in generator.synthesis.sizes:
        return Draft(size)
    rng = torch.Generator().manual_seed(SEED)
    w = generator.map(torch.randn(renders, generator.z_dim, generator=rng))
    network = _HiddenAndImage(generator.synthesis, size)
    codes = w[:, None].expand(-1, generator.num_layers, -1).split(1)
    if generator.device == "cpu":
        network = compile_openvino(network, codes[0], threads=generator.threads)
    regression = _Regression()
    for wplus in codes:
        features, image = _tensors(network, wplus)
        regression.add(features, functional.pixel_unshuffle(image, 2))
        if progress is not None:
            progress.advance(1)
    return Draft(size, *regression.solve())


def _tensors(network, wplus: Tensor) -> Sequence[Tensor]:
    """Features [C, S, S] and image [3, 2S, 2S] of one face, from PyTorch or from a compiled network."""
    if isinstance(network, nn.Module):
        with torch.no_grad():
            outputs = network(wplus)
    else:
        outputs = run_compiled(network, [wplus])
    return [output[0].cpu() for output in outputs]


class _Regression:
    """Ridge regression from maps [C, S, S] to maps [F, S, S], pixel by pixel, in double precision."""

    def __init__(self) -> None:
        self.gram, self.moment = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)

    def add(self, features: Tensor, targets: Tensor) -> None:
        columns = features.flatten(1)
        columns = torch.cat((columns, torch.ones_like(columns[:1])))
        self.gram = self.gram + (columns @ columns.T).double()
        self.moment = self.moment + (columns @ targets.flatten(1).T).double()

    def solve(self) -> tuple[Tensor, Tensor]:
        """Weight [F, C] and bias [F]."""
        penalty = RIDGE * self.gram.diagonal().mean() * torch.eye(len(self.gram)).to(self.gram)
        solution = torch.linalg.solve(self.gram + penalty, self.moment).T.float()
        return solution[:, :-1].contiguous(), solution[:, -1].contiguous()


class AnchoredDraft:
    """A draft that equals the full render, reduced, at one code, and has gradients around it.

    The readout that serves all faces is off by a fifth of the contrast on a single one (21 dB), because the
    late layers tint each face in its own way. Here it is fitted anew to the render of `wplus` [1, L, D],
    starting from the common one where there is one, and what is still missing is added (output space
    mapping, Bandler 1994).
    """

    def __init__(self, generator, wplus: Tensor) -> None:
        self.synthesis, common = generator.synthesis, generator.draft
        self.blocks = blocks(common.size)
        with torch.no_grad():
            full = generator.synthesize(wplus)
            reduced = functional.avg_pool2d(full, generator.resolution // common.size).to(wplus.device)
            features = self.synthesis.hidden(wplus, self.blocks)
            known = common(features) if common.weight is not None else torch.zeros_like(reduced)
            regression = _Regression()
            regression.add(features[0], functional.pixel_unshuffle(reduced - known, 2)[0])
            weight, bias = regression.solve()
            if common.weight is not None:
                weight, bias = common.weight.to(weight) + weight, common.bias.to(bias) + bias
            self.draft = Draft(common.size, weight, bias)
            self.rest = reduced - self.draft(features)

    def __call__(self, wplus: Tensor) -> Tensor:
        """W+ [1, L, D] → [1, 3, size, size]."""
        return self.draft(self.synthesis.hidden(wplus, self.blocks)) + self.rest


def to_arrays(draft: Draft) -> dict[str, np.ndarray]:
    """The draft as plain arrays, to be stored; one that the network draws has no more than its size."""
    readout = {"weight": draft.weight, "bias": draft.bias}
    arrays = {name: value.numpy() for name, value in readout.items() if value is not None}
    return arrays | {"size": np.array([draft.size])}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Draft:
    """Inverse of `to_arrays`."""
    readout = {name: torch.from_numpy(arrays[name]) for name in ("weight", "bias") if name in arrays}
    return Draft(int(arrays["size"][0]), **readout)
