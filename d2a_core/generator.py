"""Stage `generator`: W+ → image, in full size or as a cheap draft.

Nothing above this module knows which network it drives. A generator offers `resolution`, `num_layers`,
`w_dim`, `mean_w`, `map(z)` and `synthesize(wplus, size=None, consultation=None)`.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from d2a_core.networks import mobile_stylegan

MEAN_SAMPLES = 10_000  # z drawn for the mean of W, as StyleGAN2's projector does
MEAN_SEED = 0
ANCHOR_RIDGE = 1e-4  # of a readout fitted to one face, as a share of the mean squared feature
DRAFT_SEED = 20_220_001  # of the faces a draft is fitted on


Consultation = tuple[Tensor, Tensor]  # scale and shift of a hidden map, [N, 512, 64, 64] each (HFGI)


@dataclass(frozen=True)
class Options:
    """Config section `generator`."""

    name: str
    draft_size: int
    draft_renders: int
    draft_ridge: float


class Generator(Protocol):
    """What every stage may ask of a pretrained generator."""

    resolution: int
    num_layers: int
    w_dim: int
    mean_w: Tensor

    def map(self, z: Tensor) -> Tensor:
        """[N, w_dim] standard normal → w [N, w_dim]."""
        ...

    def synthesize(
        self, wplus: Tensor, size: int | None = None, *, consultation: Consultation | None = None
    ) -> Tensor:
        """W+ [N, num_layers, w_dim] → images float32 [N, 3, R, R], about [-1, 1]."""
        ...


@dataclass(frozen=True)
class Draft:
    """Linear readout of a hidden feature map, fitted by `fit_draft`: weight [12, C], bias [12]."""

    weight: Tensor
    bias: Tensor
    size: int

    def __call__(self, features: Tensor) -> Tensor:
        """[N, C, size/2, size/2] → [N, 3, size, size]."""
        bands = functional.conv2d(
            features, self.weight[:, :, None, None].to(features), self.bias.to(features)
        )
        return functional.pixel_shuffle(bands, 2)


class MobileStyleGan:
    """MobileStyleGAN distilled from StyleGAN2-FFHQ, 1024×1024.

    On the CPU, and when no gradient is asked for, it runs compiled by OpenVINO from the PyTorch modules
    below; otherwise PyTorch runs them. The W+ layers mean what they mean in StyleGAN2 up to layer 15.
    """

    resolution = 1024
    num_layers = mobile_stylegan.NUM_LAYERS
    w_dim = mobile_stylegan.W_DIM

    def __init__(self, folder: Path, *, draft: Draft | None = None, device: str = "cpu", threads: int = 0):
        """`folder` holds the OpenVINO IR; `threads` 0 means all cores."""
        self.mapping = mobile_stylegan.load_mapping(folder / "MappingNetwork.xml").to(device)
        self.synthesis = mobile_stylegan.load_synthesis(folder / "SynthesisNetwork.xml").to(device)
        self.draft, self.device, self.threads = draft, device, threads
        self.mapping.requires_grad_(False)
        self.synthesis.requires_grad_(False)  # whoever tunes the weights turns it on
        self._compiled: dict[tuple[int, int], tuple[int, object]] = {}

    @cached_property
    def mean_w(self) -> Tensor:
        """Mean of W over 10,000 samples, [512]."""
        rng = torch.Generator().manual_seed(MEAN_SEED)
        with torch.no_grad():
            return self.map(torch.randn(MEAN_SAMPLES, self.w_dim, generator=rng)).mean(dim=0)

    def map(self, z: Tensor) -> Tensor:
        """[N, 512] standard normal → w [N, 512]."""
        return self.mapping(z.to(self.device))

    def synthesize(
        self, wplus: Tensor, size: int | None = None, *, consultation: Consultation | None = None
    ) -> Tensor:
        """W+ [N, 16, 512] → float32 [N, 3, size, size]; any `size` but the full one is a draft.

        A `consultation` refines the 64 px map of block 3: see `mobile_stylegan.Block`. Raises ValueError for
        a size that neither the network nor the fitted draft can give.
        """
        size = size or self.resolution
        self._check(wplus, size, consultation)
        inputs = (wplus, *(consultation or ()))
        if self.device == "cpu" and not self._needs_gradient(inputs):
            return self._run_compiled(inputs, size)
        return self._network(size)(*(tensor.to(self.device) for tensor in inputs))

    def _check(self, wplus: Tensor, size: int, consultation: Consultation | None) -> None:
        if size != self.resolution and (self.draft is None or size != self.draft.size):
            known = [self.resolution] + ([self.draft.size] if self.draft else [])
            raise ValueError(
                f"no {size} px images from this generator; it gives {known}: fit a draft of that size"
            )
        if wplus.shape[1:] != (self.num_layers, self.w_dim):
            raise ValueError(f"W+ must be [N, {self.num_layers}, {self.w_dim}], not {list(wplus.shape)}")
        shape = (len(wplus), *mobile_stylegan.CONSULTED_SHAPE)
        for tensor in consultation or ():
            if tensor.shape != shape:
                raise ValueError(f"a consultation must be twice {list(shape)}, not {list(tensor.shape)}")
        if consultation and size != self.resolution and draft_blocks(size) <= mobile_stylegan.CONSULTED:
            raise ValueError(f"a draft of {size} px is read before the consulted map; use 128 px or more")

    def _needs_gradient(self, inputs: tuple[Tensor, ...]) -> bool:
        tuned = any(parameter.requires_grad for parameter in self.synthesis.parameters())
        return torch.is_grad_enabled() and (tuned or any(tensor.requires_grad for tensor in inputs))

    def _network(self, size: int) -> nn.Module:
        return self.synthesis if size == self.resolution else _DraftNetwork(self.synthesis, self.draft)

    def _run_compiled(self, inputs: tuple[Tensor, ...], size: int) -> Tensor:
        version = sum(parameter._version for parameter in self.synthesis.parameters())  # grows when tuned
        key = size, len(inputs)
        if self._compiled.get(key, (None,))[0] != version:
            example = tuple(tensor[:1] for tensor in inputs)
            network = compile_openvino(self._network(size), *example, threads=self.threads)
            self._compiled[key] = (version, network)
        network = self._compiled[key][1]
        result = network([tensor.detach().numpy().copy() for tensor in inputs])
        return torch.from_numpy(result[0].copy())


class _HiddenAndImage(nn.Module):
    """The map that drafts are read from [N, C, size/2, size/2], beside the image reduced to `size`."""

    def __init__(self, synthesis: mobile_stylegan.SynthesisNetwork, size: int):
        super().__init__()
        self.synthesis, self.size = synthesis, size

    def forward(self, wplus: Tensor) -> tuple[Tensor, Tensor]:
        image = self.synthesis(wplus)
        reduced = functional.avg_pool2d(image, image.shape[-1] // self.size)
        return self.synthesis.hidden(wplus, draft_blocks(self.size)), reduced


class _DraftNetwork(nn.Module):
    def __init__(self, synthesis: mobile_stylegan.SynthesisNetwork, draft: Draft):
        super().__init__()
        self.synthesis, self.draft = synthesis, draft

    def forward(self, wplus: Tensor, *consultation: Tensor) -> Tensor:
        return self.draft(self.synthesis.hidden(wplus, draft_blocks(self.draft.size), consultation))


def draft_blocks(size: int) -> int:
    """Blocks to run for a draft of `size` px, whose features lie at half that side (4 px before block 0)."""
    blocks = int(size // 8).bit_length() - 1
    if size != 8 << blocks or not 1 <= blocks < mobile_stylegan.BLOCKS:
        raise ValueError(f"a draft cannot be {size} px wide; choose 64, 128, 256 or 512")
    return blocks


def compile_openvino(module: nn.Module, *examples: Tensor, threads: int):
    """Compile `module` for the CPU with a free batch size; float32 even where bfloat16 would be native.

    `examples` are its inputs, [1, …] each. OpenVINO 2026 picks bfloat16 by itself on processors that have it,
    which moves pixels by up to 2 grey levels in 10: hence the precision hint.
    """
    import openvino

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # tracing is what OpenVINO converts fastest
        zeros = tuple(map(torch.zeros_like, examples))
        traced = torch.jit.trace(module, zeros, check_trace=False)
        model = openvino.convert_model(traced, example_input=zeros)
    model.reshape({index: [-1, *example.shape[1:]] for index, example in enumerate(examples)})
    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    return openvino.Core().compile_model(model, "CPU", hints)


def fit_draft(generator: MobileStyleGan, *, size: int, renders: int, ridge: float, progress=None) -> Draft:
    """Fit the readout of a draft by ridge regression on full renders reduced to `size`.

    Every pixel of the hidden map (side size/2, C channels) predicts the 2×2 RGB pixels above it:
    min ‖W f - y‖² + ridge·mean(diag F)·‖W‖² over `renders` random faces.
    """
    rng = torch.Generator().manual_seed(DRAFT_SEED)
    w = generator.map(torch.randn(renders, generator.w_dim, generator=rng))
    network = _HiddenAndImage(generator.synthesis, size)
    if generator.device == "cpu":
        example = broadcast(w[:1], generator.num_layers)
        network = compile_openvino(network, example, threads=generator.threads)
    gram, moment = 0, 0
    for wplus in broadcast(w, generator.num_layers).split(1):
        features, image = _tensors(network, wplus)
        features = torch.cat((features, torch.ones_like(features[:1])))
        target = functional.pixel_unshuffle(image, 2).flatten(1)
        gram = gram + (features @ features.T).double()
        moment = moment + (features @ target.T).double()
        if progress is not None:
            progress.advance(1)
    penalty = ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    solution = torch.linalg.solve(gram + penalty, moment).T.float()
    return Draft(weight=solution[:, :-1].contiguous(), bias=solution[:, -1].contiguous(), size=size)


class AnchoredDraft:
    """A draft that equals the full render, reduced, at one code, and has gradients around it.

    The readout that serves all faces is off by a fifth of the contrast on a single one (21 dB), because the
    late layers tint each face in its own way. Here it is fitted anew to the render of `wplus` [1, L, 512],
    starting from the common one, and what is still missing is added (output space mapping, Bandler 1994).
    """

    def __init__(self, generator: MobileStyleGan, wplus: Tensor, *, ridge: float = ANCHOR_RIDGE) -> None:
        self.synthesis, size = generator.synthesis, generator.draft.size
        self.blocks = draft_blocks(size)
        with torch.no_grad():
            full = generator.synthesize(wplus.cpu())
            reduced = functional.avg_pool2d(full, generator.resolution // size)
            features = self.synthesis.hidden(wplus, self.blocks)
            missing = functional.pixel_unshuffle(reduced - generator.draft(features), 2)[0].flatten(1)
            columns = features[0].flatten(1)
            columns = torch.cat((columns, torch.ones_like(columns[:1])))
            gram = (columns @ columns.T).double()
            penalty = ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
            change = torch.linalg.solve(gram + penalty, (columns @ missing.T).double()).T.float()
            weight, bias = generator.draft.weight + change[:, :-1], generator.draft.bias + change[:, -1]
            self.draft = Draft(weight.contiguous(), bias.contiguous(), size)
            self.rest = reduced - self.draft(features)

    def __call__(self, wplus: Tensor) -> Tensor:
        """W+ [1, L, 512] → [1, 3, size, size]."""
        return self.draft(self.synthesis.hidden(wplus, self.blocks)) + self.rest


def _tensors(network, wplus: Tensor) -> tuple[Tensor, Tensor]:
    """Features [C, S²] and image [3, 2S, 2S] of one face, from PyTorch or from a compiled network."""
    if isinstance(network, nn.Module):
        with torch.no_grad():
            outputs = network(wplus)
    else:
        outputs = [torch.from_numpy(value.copy()) for value in network(wplus.numpy().copy()).values()]
    return outputs[0][0].flatten(1).cpu(), outputs[1][0].cpu()


def draft_arrays(draft: Draft) -> dict[str, np.ndarray]:
    """The readout as plain arrays, to be stored."""
    return {
        "weight": draft.weight.numpy(),
        "bias": draft.bias.numpy(),
        "size": np.array([draft.size]),
    }


def draft_from_arrays(arrays: Mapping[str, np.ndarray]) -> Draft:
    """Inverse of `draft_arrays`."""
    weight, bias = (torch.from_numpy(arrays[name]) for name in ("weight", "bias"))
    return Draft(weight=weight, bias=bias, size=int(arrays["size"][0]))


def load(
    options: Options,
    folder: str | Path,
    *,
    draft: Mapping[str, np.ndarray] | None = None,
    device: str,
    threads: int,
) -> MobileStyleGan:
    """The generator that `options.name` asks for; `folder` holds its fetched files."""
    if options.name != "mobilestylegan-ffhq":
        raise ValueError(f"unknown generator {options.name!r}; set generator.name to 'mobilestylegan-ffhq'")
    readout = draft_from_arrays(draft) if draft is not None else None
    return MobileStyleGan(Path(folder), draft=readout, device=device, threads=threads)


def broadcast(w: Tensor, num_layers: int) -> Tensor:
    """W [N, 512] → W+ [N, num_layers, 512], the same code in every layer."""
    return w[:, None].expand(-1, num_layers, -1)
