"""Stage `generator`: W+ → image, in full size or as a cheap draft.

Nothing above this module knows which network it drives. What each offers is in `contract`; what they have in
common is here: compiled and batched runs, drafts, checks.
"""

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import methodcaller
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from d2a_core.generator import checkpoint, drafts, mobile_stylegan, stylegan2
from d2a_core.generator.contract import Consultation, Mapper, Synthesizer
from d2a_core.generator.drafts import Draft, DraftNetwork
from d2a_core.generator.engine import compile_openvino, has_bfloat16_units, in_batches, run_compiled
from d2a_core.runtime import Job, engine
from d2a_core.store import arrays, lineage, texts
from d2a_core.store.lineage import Identity
from d2a_core.store.manifests import RECORD

MEAN_SAMPLES = 10_000  # z drawn for the mean of W, as StyleGAN2's projector does
MEAN_SEED = 0
BATCH = 8  # rows that stages render at a time on a CPU, where more gain nothing
GPU_BATCH = 64  # rows tried at first on a GPU


@dataclass(frozen=True)
class Options:
    """Keys of the config section `generator` on which results depend; `origins.Options` has the others."""

    draft_size: int


class Generator(Protocol):
    """Contract of every pretrained generator."""

    resolution: int
    num_layers: int
    z_dim: int
    w_dim: int
    batch: int

    @property
    def mean_w(self) -> Tensor:
        """Mean of W, [w_dim]."""
        ...

    def map(self, z: Tensor) -> Tensor:
        """[N, z_dim] standard normal → w [N, w_dim]."""
        ...

    def synthesize(
        self, wplus: Tensor, size: int | None = None, *, consultation: Consultation | None = None
    ) -> Tensor:
        """W+ [N, num_layers, w_dim] → images float32 [N, 3, R, R], about [-1, 1]."""
        ...


class PretrainedGenerator:
    """A generator made of a mapping and a synthesis network.

    On the CPU, and when no gradient is asked for, it may run compiled by OpenVINO from the same PyTorch
    module. The W+ layers 0 to 7 mean the same in all networks.
    """

    def __init__(
        self,
        mapping: Mapper,
        synthesis: Synthesizer,
        *,
        identity: Identity,
        draft: Draft | None = None,
        device: str = "cpu",
        threads: int = 0,
        runtime: str = "auto",
    ):
        """`threads` 0 means all cores; `runtime` is `openvino`, `torch`, or the faster of them (on a CPU)."""
        self.identity, self.mapping, self.synthesis = identity, mapping.to(device), synthesis.to(device)
        self.draft, self.device, self.threads = draft, device, threads
        self.mapping.requires_grad_(False)
        self.synthesis.requires_grad_(False)  # whoever tunes the weights turns it on
        self.resolution, self.num_layers = synthesis.resolution, synthesis.num_layers
        self.z_dim, self.w_dim = mapping.z_dim, synthesis.w_dim
        self.batch = BATCH if device == "cpu" else GPU_BATCH
        chosen = synthesis.fast_runtime if runtime == "auto" else runtime
        self._compiles = device == "cpu" and chosen == "openvino"
        if device == "cuda":
            torch.backends.cudnn.benchmark = True  # all batches but the last have one shape
        if device == "cuda" or self._compiles:
            # a step of gradients takes a fifth less, at full size nearly half
            methodcaller("to", memory_format=torch.channels_last)(self.synthesis)  # its types lack it
        self._compiled: dict[tuple[int, int], tuple[int, object]] = {}
        self._swift: tuple[int, Synthesizer] | None = None
        self._sketches = synthesis  # what drafts are read off
        self._turn = threading.Lock()  # OpenVINO's network serves one thread at a time

    @cached_property
    def mean_w(self) -> Tensor:
        """Mean of W, [w_dim]: the one that training tracked, or that of 10,000 samples."""
        if self.mapping.w_avg is not None:
            return self.mapping.w_avg
        rng = torch.Generator().manual_seed(MEAN_SEED)
        with torch.no_grad():
            return self.map(torch.randn(MEAN_SAMPLES, self.z_dim, generator=rng)).mean(dim=0)

    @property
    def draft_size(self) -> int:
        """Side of the drafts in px; raises ValueError for a generator without any."""
        if self.draft is None:
            raise ValueError(
                "this generator was loaded without its draft; give the store that `fit_draft` wrote"
            )
        return self.draft.size

    def around(self, wplus: Tensor) -> "PretrainedGenerator":
        """The same networks with drafts of one face, fitted to its codes W+ [M, L, D]: see `drafts.own`.

        They are run by PyTorch: nothing is compiled for a single face. Drafts of it are `swift`.
        """
        if self.draft_size == self.resolution:
            return self
        other = copy.copy(self)
        other.draft, other._compiles = drafts.own(self, wplus), False
        other._sketches = self.swift
        return other

    @property
    def swift(self) -> Synthesizer:
        """The synthesis network for gradient steps: in bfloat16 where that is good and fast, else as it is.

        Matrix units of processors take such a step in two thirds of the time; without them it takes longer.
        """
        if self.device != "cpu" or not (self.synthesis.steps_in_bfloat16 and has_bfloat16_units()):
            return self.synthesis
        if self._swift is None or self._swift[0] != self._version:
            self._swift = self._version, copy.deepcopy(self.synthesis).bfloat16()
        return self._swift[1]

    @property
    def _version(self) -> int:
        """A number that grows when the synthesis network is tuned."""
        return sum(parameter._version for parameter in self.synthesis.parameters())

    def map(self, z: Tensor) -> Tensor:
        """[N, z_dim] standard normal → w [N, w_dim]."""
        return self.mapping(z.to(self.device))

    def style_weights(self, layers: int) -> Tensor:
        """Weights [C, w_dim] of the styles that the first `layers` layers of W+ make."""
        return self.synthesis.style_weights(layers).cpu()

    def synthesize(
        self, wplus: Tensor, size: int | None = None, *, consultation: Consultation | None = None
    ) -> Tensor:
        """W+ [N, L, D] → float32 [N, 3, size, size]; any `size` but the full one is a draft.

        A `consultation` refines the 64 px map that layer 7 styles: x(1 + scale) + shift. Raises ValueError
        for a size that neither the network nor the fitted draft can give.
        """
        size = size or self.resolution
        self._check(wplus, size, consultation)
        inputs = (wplus, *(consultation or ()))
        if self._compiles and not self._needs_gradient(inputs):
            with self._turn:
                return self._run_compiled(inputs, size)
        there = [tensor.to(self.device) for tensor in inputs]
        images, self.batch = in_batches(self._network(size), there, batch=self.batch)
        return images

    def _check(self, wplus: Tensor, size: int, consultation: Consultation | None) -> None:
        read = self._is_read(size)
        if read and (self.draft is None or size != self.draft.size):
            known = sorted({*self.synthesis.sizes, *([self.draft.size] if self.draft else [])})
            raise ValueError(
                f"no {size} px images from this generator; it gives {known}: fit a draft of that size"
            )
        if wplus.shape[1:] != (self.num_layers, self.w_dim):
            raise ValueError(f"W+ must be [N, {self.num_layers}, {self.w_dim}], not {list(wplus.shape)}")
        if consultation is None:
            return
        if self.synthesis.consulted_shape is None:
            raise ValueError("this generator has no 64 px map to consult; give a larger one")
        shape = (len(wplus), *self.synthesis.consulted_shape)
        for tensor in consultation:
            if tensor.shape != shape:
                raise ValueError(f"a consultation must be twice {list(shape)}, not {list(tensor.shape)}")
        least = shape[-1] * (2 if read else 1)
        if size < least:
            raise ValueError(f"a draft of {size} px is read before the consulted map; use {least} px or more")

    def _is_read(self, size: int) -> bool:
        """Whether images of that size are read off a hidden map, and not drawn by the network."""
        fitted = self.draft is not None and self.draft.weight is not None and size == self.draft.size
        return fitted or size not in self.synthesis.sizes

    def _needs_gradient(self, inputs: Sequence[Tensor]) -> bool:
        tuned = any(parameter.requires_grad for parameter in self.synthesis.parameters())
        return torch.is_grad_enabled() and (tuned or any(tensor.requires_grad for tensor in inputs))

    def _network(self, size: int) -> nn.Module:
        if not self._is_read(size):
            return _Sized(self.synthesis, size)
        assert self.draft is not None  # `_check` refuses the size otherwise
        return DraftNetwork(self._sketches, self.draft)

    def _run_compiled(self, inputs: Sequence[Tensor], size: int) -> Tensor:
        version, key = self._version, (size, len(inputs))
        if self._compiled.get(key, (None,))[0] != version:
            example = tuple(tensor[:1] for tensor in inputs)
            network = compile_openvino(self._network(size), *example, threads=self.threads)
            self._compiled[key] = (version, network)
        return run_compiled(self._compiled[key][1], inputs)[0]


class _Sized(nn.Module):
    """A synthesis network that draws images of one size."""

    def __init__(self, synthesis: Synthesizer, size: int):
        super().__init__()
        self.synthesis, self.size = synthesis, size

    def forward(self, wplus: Tensor, *consultation: Tensor) -> Tensor:
        """W+ [N, L, D] → [N, 3, size, size]."""
        return self.synthesis(wplus, self.size, consultation)


def load(
    options: Options,
    path: str | Path,
    *,
    draft: str | Path | None = None,
    device: str,
    threads: int,
    runtime: str,
) -> PretrainedGenerator:
    """Load the generator at `path`: MobileStyleGAN's folder, or a StyleGAN2 that `convert` wrote.

    `draft` is the store of its draft. Raises ValueError when that is another generator's, or when there can
    be no draft of `options.draft_size`.
    """
    mapping, synthesis, identity = _read(Path(path))
    drafts.check_size(synthesis, options.draft_size)
    readout = None
    if draft is not None:
        lineage.check(identity, draft)
        readout = drafts.from_arrays(arrays.read_zarr(draft))
    return PretrainedGenerator(
        mapping,
        synthesis,
        identity=identity,
        draft=readout,
        device=device,
        threads=threads,
        runtime=runtime,
    )


def of_job(job: Job, *made_with: str | Path) -> PretrainedGenerator:
    """Load the generator of a Snakemake job: params and input `generator`, and `draft` where it is an input.

    Raises ValueError when something that was `made_with` it was made with another.
    """
    options, draft = Options(**job.params.generator), getattr(job.input, "draft", None)
    network = load(options, job.input.generator, draft=draft, **engine(job))
    lineage.check(network.identity, *made_with)
    return network


def _read(path: Path) -> tuple[Mapper, Synthesizer, Identity]:
    if path.is_dir():
        record = texts.read_json(path / RECORD)
        return *mobile_stylegan.load(path), Identity(record["name"], record["sha256"])
    found = checkpoint.load(path)
    network = stylegan2.build(found.architecture, found.state)
    return network.mapping, network.synthesis, Identity(found.origin["name"], found.origin["sha256"])


def broadcast(w: Tensor, num_layers: int) -> Tensor:
    """W [N, D] → W+ [N, num_layers, D], the same code in every layer."""
    return w[:, None].expand(-1, num_layers, -1)
