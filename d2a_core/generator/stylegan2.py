"""StyleGAN2 (Karras et al., arXiv 1912.04958; ADA variant, arXiv 2006.06676) in plain PyTorch.

Nothing here needs a compiled extension: a modulated convolution is an ordinary one between two scalings
(or one with a kernel per image), and resampling is a convolution with a fixed kernel. The names in the
state dict are those of NVIDIA's PyTorch code. Layer l of W+ means what it means there.
"""

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from d2a_core.generator.contract import Mapper, Synthesizer

RESOLUTIONS = (32, 64, 128, 256, 512, 1024)
WIDEST = 4096  # channels of any layer: eight times those of the largest published networks
SLOPE = 0.2  # of every leaky ReLU
GAIN = math.sqrt(2)  # keeps the variance through a leaky ReLU
TINY = 1e-8
NOISES = ("const", "random", "none")
CONSULTED = 4  # doublings to the 64 px map that a consultation refines; its first convolution takes layer 7


@dataclass(frozen=True)
class Architecture:
    """Facts beside the weights, and the shapes that those must have.

    `channels` holds the widths of the blocks of 4, 8, … `resolution` px. `synthesis` is `skip` (each block
    adds to an RGB image), `resnet` or `orig` (RGB at the end only). `resample_filter` holds the taps of the
    separable low-pass filter. The `fp16_blocks` highest resolutions run in half precision on CUDA;
    `conv_clamp` then bounds their activations.
    """

    resolution: int
    channels: tuple[int, ...]
    synthesis: str = "skip"
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    mapping_width: int = 512
    mapping_lr_multiplier: float = 0.01
    resample_filter: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    conv_clamp: float | None = None
    fp16_blocks: int = 0

    def __post_init__(self) -> None:
        choices: dict[str, Collection[object]] = {"resolution": RESOLUTIONS}
        choices |= {"synthesis": ("skip", "resnet", "orig")}
        choices |= {"mapping_layers": range(1, 9), "fp16_blocks": range(len(self.channels))}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise _refusal(name, getattr(self, name), f"one of {', '.join(map(str, known))}")
        if len(self.channels) != len(self.resolutions):
            raise _refusal("channels", self.channels, f"{len(self.resolutions)} numbers, from 4 px upwards")
        for width in (*self.channels, self.z_dim, self.w_dim, self.mapping_width):
            if type(width) is not int or not 1 <= width <= WIDEST:
                raise _refusal("width", width, f"a whole number from 1 to {WIDEST}")
        taps = self.resample_filter
        if len(taps) not in (2, 4, 6, 8) or not all(map(math.isfinite, taps)) or abs(sum(taps)) < TINY:
            raise _refusal("resample_filter", taps, "2, 4, 6 or 8 taps whose sum is not 0")
        if not 0 < self.mapping_lr_multiplier < math.inf:
            raise _refusal("mapping_lr_multiplier", self.mapping_lr_multiplier, "a positive number")
        if self.conv_clamp is not None and not 0 < self.conv_clamp < math.inf:
            raise _refusal("conv_clamp", self.conv_clamp, "a positive number or none")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Side of every block in px: 4, 8, … resolution."""
        return tuple(2**power for power in range(2, self.resolution.bit_length()))

    @property
    def num_layers(self) -> int:
        """Layers of W+: one for each convolution and one for the last RGB layer."""
        return 2 * len(self.channels)

    def plain(self) -> dict[str, Any]:
        """The fields as JSON values; `Architecture.parse` is the inverse."""
        return dataclasses.asdict(self) | {
            "channels": list(self.channels),
            "resample_filter": list(self.resample_filter),
        }

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> "Architecture":
        """Rebuild from `plain`; raises ValueError for fields that are missing, unknown or impossible."""
        try:
            lists = {name: tuple(fields[name]) for name in ("channels", "resample_filter")}
            return cls(**(dict(fields) | lists))
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"the architecture {dict(fields)} is not understood ({error}); convert the original again"
            ) from error


def _refusal(name: str, value: object, wanted: str) -> ValueError:
    return ValueError(
        f"a StyleGAN2 with {name}={value!r} is not supported; give a checkpoint where it is {wanted}"
    )


class Dense(nn.Module):
    """Fully connected layer with an equalised learning rate: Wx·g/√n + b·g, g the rate's multiplier."""

    def __init__(self, inputs: int, outputs: int, *, lr_multiplier: float = 1.0):
        super().__init__()
        self.weight, self.bias = _parameter(outputs, inputs), _parameter(outputs)
        self.gain, self.lr_multiplier = lr_multiplier / math.sqrt(inputs), lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs] → [N, outputs]."""
        return functional.linear(x, self.weight * self.gain, self.bias * self.lr_multiplier)


def _parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))  # to be loaded


def normalize(x: Tensor) -> Tensor:
    """Scale each row of [N, C] to a mean square of 1."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + TINY)


class MappingNetwork(Mapper):
    """z → w: pixel norm and fully connected layers; `w_avg` is the mean of w that training tracked."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        a = architecture
        self.z_dim = a.z_dim
        widths = [a.z_dim, *[a.mapping_width] * (a.mapping_layers - 1), a.w_dim]
        self.depth = a.mapping_layers
        for index in range(self.depth):
            layer = Dense(widths[index], widths[index + 1], lr_multiplier=a.mapping_lr_multiplier)
            self.add_module(f"fc{index}", layer)
        self.register_buffer("w_avg", torch.zeros(a.w_dim))

    def forward(self, z: Tensor) -> Tensor:
        """[N, z_dim] standard normal → [N, w_dim]."""
        x = normalize(z)
        for index in range(self.depth):
            x = functional.leaky_relu(self.get_submodule(f"fc{index}")(x), SLOPE) * GAIN
        return x


def truncate(wplus: Tensor, mean: Tensor, psi: float, *, cutoff: int | None = None) -> Tensor:
    """Pull the first `cutoff` layers (all if None) of W+ [N, L, D] towards `mean` [D]: m + ψ(w - m)."""
    pulled = mean + psi * (wplus - mean)
    return pulled if cutoff is None else torch.cat((pulled[:, :cutoff], wplus[:, cutoff:]), dim=1)


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """Scale of each output channel back to unit variance, 1/√Σ(w·s)²: [O, I, k, k], [N, I] → [N, O]."""
    return torch.rsqrt(functional.linear(styles.square(), weight.square().sum(dim=(2, 3))) + TINY)


def modulated_conv(
    x: Tensor, weight: Tensor, styles: Tensor, scales: Tensor | None = None, *, up: bool = False, fused: bool
) -> Tensor:
    """Convolution whose input channels are scaled by `styles` [N, I] and its output ones by `scales` [N, O].

    x [N, I, S, S], weight [O, I, k, k] → [N, O, S, S]; `up` first puts zeros between the pixels and keeps
    all that they reach: [N, O, 2S+k-2, 2S+k-2]. `fused` multiplies the scales into one kernel for each
    image and convolves the images as groups; otherwise they scale the maps. Equal up to rounding.
    """
    batch, side = x.shape[0], x.shape[2:]
    if not fused:
        x = _convolve(x * styles.to(x)[:, :, None, None], weight.to(x), up=up)
        return x if scales is None else x * scales.to(x)[:, :, None, None]
    kernels = weight * styles[:, None, :, None, None]
    if scales is not None:
        kernels = kernels * scales[:, :, None, None, None]
    y = _convolve(x.reshape(1, -1, *side), kernels.flatten(0, 1).to(x), up=up, groups=batch)
    return y.reshape(batch, -1, *y.shape[2:])


def _convolve(x: Tensor, weight: Tensor, *, up: bool, groups: int = 1) -> Tensor:
    if not up:
        return functional.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=groups)
    split = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)  # [groups·I, O, k, k]
    return functional.conv_transpose2d(x, split, stride=2, groups=groups)


def fir_kernel(taps: tuple[float, ...]) -> Tensor:
    """Kernel [1, 1, t, t] of a separable low-pass filter for maps whose side was doubled: its sum is 4."""
    row = torch.tensor(taps, dtype=torch.float64)
    row = 2 * row / row.sum()
    return torch.outer(row, row).float()[None, None]


def smooth(x: Tensor, kernel: Tensor) -> Tensor:
    """Filter a map after an upsampling convolution: [N, C, 2S+1, 2S+1] → [N, C, 2S, 2S]."""
    kernel = kernel.flip(2, 3).to(x).expand(x.shape[1], -1, -1, -1)
    return functional.conv2d(x, kernel, padding=kernel.shape[-1] // 2 - 1, groups=x.shape[1])


def upsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Double the side: zeros between the pixels, then the low-pass filter; [N, C, S, S] → [N, C, 2S, 2S]."""
    kernel = kernel.to(x).expand(x.shape[1], -1, -1, -1)
    padding = kernel.shape[-1] // 2 - 1
    return functional.conv_transpose2d(x, kernel, stride=2, padding=padding, groups=x.shape[1])


def _fuses(module: nn.Module, x: Tensor) -> bool:
    """Whether a kernel for each image pays: for a single one, in inference.

    Grouped convolutions of many images are slower than two scalings, and a trace with a free batch size
    cannot hold them.
    """
    return not (module.training or torch.jit.is_tracing()) and x.shape[0] == 1


def _clamp(x: Tensor, limit: float | None) -> Tensor:
    return x if limit is None else x.clamp(-limit, limit)


class StyledConv(nn.Module):
    """Modulated convolution, perhaps to twice the side, with noise, bias and leaky ReLU."""

    kernel: Tensor
    noise_const: Tensor

    def __init__(self, architecture: Architecture, inputs: int, outputs: int, side: int, *, up: bool = False):
        super().__init__()
        self.up, self.clamp = up, architecture.conv_clamp
        self.affine = Dense(architecture.w_dim, inputs)
        self.weight, self.bias = _parameter(outputs, inputs, 3, 3), _parameter(outputs)
        self.noise_strength = _parameter()
        self.register_buffer("noise_const", torch.zeros(side, side))
        self.register_buffer("kernel", fir_kernel(architecture.resample_filter), persistent=False)

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        *,
        gain: float = 1.0,
        noise: str = "const",
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """[N, I, S, S], [N, w_dim] → [N, O, S, S] or, upsampling, [N, O, 2S, 2S], times `gain`."""
        weight: Tensor = self.weight
        styles, total = self.affine(w), GAIN * gain
        if x.dtype == torch.float16:  # neither a weight nor a style may overflow; demodulation cancels both
            fan_in = weight[0].numel()
            weight = weight / (weight.abs().amax(dim=(1, 2, 3), keepdim=True) * math.sqrt(fan_in))
            styles = styles / styles.abs().amax(dim=1, keepdim=True)
        # a leaky ReLU is positively homogeneous: its gain goes into the small factors before it
        scales = demodulation(weight, styles) * total
        x = modulated_conv(x, weight, styles, scales, up=self.up, fused=_fuses(self, x))
        if self.up:
            x = smooth(x, self.kernel)
        if noise != "none":
            x = x + (self._noise(x, noise, rng) * (self.noise_strength * total)).to(x)
        x = x + (self.bias * total).to(x)[:, None, None]
        return _clamp(functional.leaky_relu(x, SLOPE), None if self.clamp is None else self.clamp * gain)

    def _noise(self, x: Tensor, kind: str, rng: torch.Generator | None) -> Tensor:
        if kind == "const":
            return self.noise_const
        return torch.randn((x.shape[0], 1, *x.shape[2:]), generator=rng, device=x.device)


class ToRgb(nn.Module):
    """Modulated 1×1 convolution to three channels, not demodulated."""

    def __init__(self, architecture: Architecture, inputs: int):
        super().__init__()
        self.gain, self.clamp = 1 / math.sqrt(inputs), architecture.conv_clamp
        self.affine = Dense(architecture.w_dim, inputs)
        self.weight, self.bias = _parameter(3, inputs, 1, 1), _parameter(3)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[N, C, S, S], [N, w_dim] → float32 [N, 3, S, S]."""
        styles = self.affine(w) * self.gain
        x = modulated_conv(x, self.weight, styles, fused=_fuses(self, x)) + self.bias.to(x)[:, None, None]
        return _clamp(x, self.clamp).float()


class Shortcut(nn.Module):
    """Path around the convolutions of a residual block: 1×1 convolution and upsampling."""

    kernel: Tensor

    def __init__(self, architecture: Architecture, inputs: int, outputs: int):
        super().__init__()
        self.gain, self.weight = 1 / math.sqrt(inputs), _parameter(outputs, inputs, 1, 1)
        self.register_buffer("kernel", fir_kernel(architecture.resample_filter), persistent=False)

    def forward(self, x: Tensor, *, gain: float) -> Tensor:
        """[N, I, S, S] → [N, O, 2S, 2S], times `gain`."""
        return upsample(functional.conv2d(x, (self.weight * (self.gain * gain)).to(x)), self.kernel)


class Block(nn.Module):
    """All layers of one resolution; the first, of 4 px, starts from a learned constant."""

    def __init__(self, architecture: Architecture, index: int):
        super().__init__()
        a, side = architecture, architecture.resolutions[index]
        inputs, outputs = a.channels[index - 1] if index else 0, a.channels[index]
        self.in_half = index >= len(a.channels) - a.fp16_blocks
        if index:
            self.conv0 = StyledConv(a, inputs, outputs, side, up=True)
        else:
            self.const = _parameter(outputs, 4, 4)
        self.conv1 = StyledConv(a, outputs, outputs, side)
        self.skip = Shortcut(a, inputs, outputs) if index and a.synthesis == "resnet" else None
        self.torgb = ToRgb(a, outputs) if a.synthesis == "skip" or side == a.resolution else None

    def start(self, w: Tensor, **noise: Any) -> Tensor:
        """First block only: [N, w_dim] → [N, C, 4, 4]."""
        return self.conv1(self.const.expand(w.shape[0], -1, -1, -1), w, **noise)

    def forward(
        self, x: Tensor, first: Tensor, second: Tensor, consultation: Sequence[Tensor] = (), **noise: Any
    ) -> Tensor:
        """[N, C, S, S] and two layers of W+, [N, w_dim] each → [N, C', 2S, 2S].

        A `consultation`, scale and shift [N, C', 2S, 2S], refines the map between the two convolutions:
        x(1 + scale) + shift (Wang et al. 2022, equation 6).
        """
        x = x.half() if self.in_half and x.is_cuda else x.float()
        y = self.conv0(x, first, **noise)
        if consultation:
            scale, shift = consultation
            y = y * (1 + scale.to(y)) + shift.to(y)
        if self.skip is None:
            return self.conv1(y, second, **noise)
        gain = math.sqrt(0.5)
        return self.skip(x, gain=gain) + self.conv1(y, second, gain=gain, **noise)


class SynthesisNetwork(Synthesizer):
    """W+ → image. Layer 0 styles the first convolution, block b takes 2b-1 and 2b, its RGB layer 2b+1."""

    kernel: Tensor
    fast_runtime = "openvino"  # 2.5 images of 256 px a second against PyTorch's 1.1 on two cores

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.resolution, self.w_dim = architecture.resolution, architecture.w_dim
        self.num_layers = architecture.num_layers
        for index, side in enumerate(architecture.resolutions):
            self.add_module(f"b{side}", Block(architecture, index))
        self.register_buffer("kernel", fir_kernel(architecture.resample_filter), persistent=False)

    def forward(
        self,
        wplus: Tensor,
        size: int | None = None,
        consultation: Sequence[Tensor] = (),
        *,
        noise: str = "const",
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """[N, num_layers, w_dim] → float32 [N, 3, size, size], about [-1, 1].

        A smaller `size` costs less: it is the RGB image that the blocks up to that side have drawn, which
        only a `skip` network has. `noise` is `const` (the checkpoint's), `none`, or `random` from `rng`.
        """
        size = size or self.architecture.resolution
        if size not in self.sizes:
            raise ValueError(f"no {size} px images from this generator; it gives {list(self.sizes)}")
        image: Tensor | None = None
        for index, x in enumerate(self._maps(wplus, size, consultation, noise, rng)):
            block = self._block(index)
            if block.torgb is not None:
                drawn = block.torgb(x, wplus[:, 2 * index + 1])
                image = drawn if image is None else upsample(image, self.kernel) + drawn
        assert image is not None  # the last block always draws
        return image

    def hidden(
        self,
        wplus: Tensor,
        blocks: int,
        consultation: Sequence[Tensor] = (),
        *,
        noise: str = "const",
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Feature map after `blocks` doublings: [N, num_layers, w_dim] → float32 [N, C, 4·2^blocks, same].

        `consultation` is empty or scale and shift of the map of 64 px, [N, C, 64, 64] each: see `Block`.
        """
        if blocks not in range(len(self.architecture.channels)):
            raise ValueError(f"no {4 << blocks} px map in a network of {self.architecture.resolution} px")
        for x in self._maps(wplus, 4 << blocks, consultation, noise, rng):
            features = x
        return features.float()

    def consulted(self, wplus: Tensor) -> Tensor:
        """The map that a consultation refines: [N, num_layers, w_dim] → [N, C, 64, 64]."""
        features = self.hidden(wplus, CONSULTED - 1)
        return self._block(CONSULTED).conv0(features, wplus[:, 2 * CONSULTED - 1])

    @property
    def consulted_shape(self) -> tuple[int, int, int] | None:
        """Shape of that map; None in a network of less than 64 px."""
        side, channels = 4 << CONSULTED, self.architecture.channels
        return (channels[CONSULTED], side, side) if self.resolution >= side else None

    def style_weights(self, layers: int) -> Tensor:
        """Weights [C, w_dim] of the styles that the first `layers` layers give to convolutions."""
        affines = [self._block(0).conv1.affine]
        for index in range(1, len(self.architecture.resolutions)):
            affines += [self._block(index).conv0.affine, self._block(index).conv1.affine]
        return torch.cat([affine.weight.detach() for affine in affines[:layers]])

    @property
    def tunable(self) -> list[str]:
        """Parameters that pivotal tuning may change: convolutions from 64 px upwards, no styles, no noise."""
        least = min(4 << CONSULTED, self.resolution)
        late = tuple(f"b{side}." for side in self.architecture.resolutions if side >= least)
        names = [name for name, _ in self.named_parameters() if name.startswith(late)]
        return [name for name in names if ".affine." not in name and not name.endswith("noise_strength")]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the images that `forward` can give, in px."""
        a = self.architecture
        return a.resolutions if a.synthesis == "skip" else (a.resolution,)

    def _block(self, index: int) -> Block:
        block = self.get_submodule(f"b{4 << index}")
        assert isinstance(block, Block)
        return block

    def _maps(
        self,
        wplus: Tensor,
        size: int,
        consultation: Sequence[Tensor],
        noise: str,
        rng: torch.Generator | None,
    ) -> Iterator[Tensor]:
        """Feature maps of 4, 8, … `size` px, as they are computed."""
        if noise not in NOISES:
            raise ValueError(f"unknown noise {noise!r}; choose from {', '.join(NOISES)}")
        x = self._block(0).start(wplus[:, 0], noise=noise, rng=rng)
        yield x
        for index in range(1, self.architecture.resolutions.index(size) + 1):
            layers = wplus[:, 2 * index - 1], wplus[:, 2 * index]
            refined = consultation if index == CONSULTED else ()
            x = self._block(index)(x, *layers, refined, noise=noise, rng=rng)
            yield x


class Network(nn.Module):
    """The two halves of a StyleGAN2 generator, `mapping` and `synthesis`."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.mapping, self.synthesis = MappingNetwork(architecture), SynthesisNetwork(architecture)


def shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of a state dict; allocates nothing."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in Network(architecture).state_dict().items()}


def build(architecture: Architecture, state: Mapping[str, Tensor]) -> Network:
    """The network with the weights of `state`, float32, without gradients; raises ValueError on a misfit."""
    check(architecture, state)
    network = Network(architecture)
    network.load_state_dict({name: value.float() for name, value in state.items()})
    return network.eval().requires_grad_(False)


def check(architecture: Architecture, state: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless `state` holds exactly the tensors of `architecture`."""
    expected = shapes(architecture)
    for name, shape in expected.items():
        found = tuple(state[name].shape) if name in state else "missing"
        if found != shape:
            raise ValueError(f"the tensor {name} should be {list(shape)} but is {found}; give an intact file")
    for name in sorted(state.keys() - expected.keys()):
        raise ValueError(f"the tensor {name} belongs to no StyleGAN2 generator; give an intact file")
