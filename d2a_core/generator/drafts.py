"""Drafts: cheap, small images of a generator, drawn by the network itself or read off a hidden map."""

from collections.abc import Iterable, Mapping, Sequence
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
KERNEL = 3  # cells on a side of the hidden map that the readout of a single face sees
CELLS = 20_000  # of the hidden maps that such a readout is fitted on


@dataclass(frozen=True)
class Draft:
    """How to make images of `size` px.

    `weight` [12, C, k, k] and `bias` [12] read them off a hidden map, k×k cells at a time; without them the
    network draws that size.
    """

    size: int
    weight: Tensor | None = None
    bias: Tensor | None = None

    def __call__(self, features: Tensor) -> Tensor:
        """[N, C, size/2, size/2] → [N, 3, size, size]."""
        assert self.weight is not None and self.bias is not None  # the network draws other sizes itself
        weight, bias = self.weight.to(features), self.bias.to(features)
        return functional.pixel_shuffle(functional.conv2d(features, weight, bias, padding="same"), 2)


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
        return self.draft(_hidden(self.synthesis, wplus, blocks(self.draft.size), consultation))


def _hidden(
    synthesis: Synthesizer, wplus: Tensor, blocks: int, consultation: Sequence[Tensor] = ()
) -> Tensor:
    """Hidden map of a network of any number type, in float32."""
    kind = next(synthesis.parameters()).dtype
    given = (wplus.to(kind), blocks, [tensor.to(kind) for tensor in consultation])
    return synthesis.hidden(*given).float()


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
    """Ridge regression from `kernel`×`kernel` cells of maps [C, S, S] to maps [F, S, S], in double precision.

    Every `stride`th row and column is taken.
    """

    def __init__(self, kernel: int = 1, stride: int = 1) -> None:
        self.kernel, self.stride = kernel, stride
        self.gram, self.moment = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)

    def add(self, features: Tensor, targets: Tensor) -> None:
        (columns,) = functional.unfold(
            features[None], self.kernel, padding=self.kernel // 2, stride=self.stride
        )
        columns = torch.cat((columns, torch.ones_like(columns[:1])))
        wanted = targets[:, :: self.stride, :: self.stride].flatten(1)
        self.gram = self.gram + (columns @ columns.T).cpu().double()
        self.moment = self.moment + (columns @ wanted.T).cpu().double()

    def solve(self) -> tuple[Tensor, Tensor]:
        """Weight [F, C, k, k] and bias [F]."""
        penalty = RIDGE * self.gram.diagonal().mean() * torch.eye(len(self.gram)).to(self.gram)
        solution = torch.linalg.solve(self.gram + penalty, self.moment).T.float()
        weight = solution[:, :-1].unflatten(1, (-1, self.kernel, self.kernel))
        return weight.contiguous(), solution[:, -1].contiguous()


def own(generator, wplus: Tensor) -> Draft:
    """The draft of one face, fitted to the full renders of its codes W+ [M, L, D].

    The readout that serves all faces is off by a tenth of the range on a single one (20 to 24 dB), because
    the late layers tint each face in its own way: lids that close on it stay open on the picture. This one
    comes to 33 to 45 dB. It starts from the common one where there is one.
    """
    common = generator.draft
    seen = (_draft_sized(generator, code) for code in wplus.split(1))
    stride = max(1, round((len(wplus) / CELLS) ** 0.5 * common.size / 2))
    return _fitted(common, seen, kernel=KERNEL, stride=stride)


@torch.no_grad()
def _draft_sized(generator, wplus: Tensor) -> tuple[Tensor, Tensor]:
    """The map that drafts are read off [1, C, size/2, size/2], and the reduced render of W+ [1, L, D]."""
    size, full = generator.draft.size, generator.synthesize(wplus)
    features = _hidden(generator.swift, wplus.to(generator.device), blocks(size))
    return features, functional.avg_pool2d(full, full.shape[-1] // size).to(features)


def _fitted(
    common: Draft, seen: Iterable[tuple[Tensor, Tensor]], *, kernel: int = 1, stride: int = 1
) -> Draft:
    """Fit a readout to pairs of `_draft_sized`, starting from the `common` one where there is one."""
    regression = _Regression(kernel, stride)
    for features, reduced in seen:
        known = common(features) if common.weight is not None else torch.zeros_like(reduced)
        regression.add(features[0], functional.pixel_unshuffle(reduced - known, 2)[0])
    weight, bias = (part.to(features) for part in regression.solve())
    if common.weight is not None and common.bias is not None:
        weight = weight + functional.pad(common.weight, [kernel // 2] * 4).to(weight)
        bias = bias + common.bias.to(bias)
    return Draft(common.size, weight, bias)


class AnchoredDraft:
    """A draft that equals the full render, reduced, at one code, and has gradients around it.

    The readout is fitted anew to the render of `wplus` [1, L, D], and what is still missing is added (output
    space mapping, Bandler 1994). It sees one cell, for it is fitted often; `own` drafts see more.
    """

    def __init__(self, generator, wplus: Tensor) -> None:
        self.synthesis, self.blocks = generator.swift, blocks(generator.draft.size)
        features, reduced = _draft_sized(generator, wplus)
        self.draft = _fitted(generator.draft, [(features, reduced)])
        self.rest = reduced - self.draft(features)

    def __call__(self, wplus: Tensor) -> Tensor:
        """W+ [1, L, D] → [1, 3, size, size]."""
        return self.draft(_hidden(self.synthesis, wplus, self.blocks)) + self.rest


def to_arrays(draft: Draft) -> dict[str, np.ndarray]:
    """A common draft as arrays to store: `size`, and if it is read off, `weight` [12, C] and `bias` [12]."""
    size = {"size": np.array([draft.size])}
    if draft.weight is None or draft.bias is None:
        return size
    return size | {"weight": draft.weight[:, :, 0, 0].numpy(), "bias": draft.bias.numpy()}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Draft:
    """Inverse of `to_arrays`."""
    size = int(arrays["size"][0])
    if "weight" not in arrays:
        return Draft(size)
    weight, bias = (torch.from_numpy(arrays[name]) for name in ("weight", "bias"))
    return Draft(size, weight[:, :, None, None], bias)
