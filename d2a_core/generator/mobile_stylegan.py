"""MobileStyleGAN (Belousov, arXiv 2104.04767) in plain PyTorch, its weights read from the OpenVINO IR.

The synthesis network works on wavelet coefficients: every block doubles the side with an inverse Haar
transform instead of an upsampling convolution. Demodulation is folded into the published weights, so
a modulated convolution is a scaled input followed by an ordinary (depthwise-separable) convolution.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from d2a_core.generator.contract import Mapper, Synthesizer
from d2a_core.store import manifests

NUM_LAYERS = 16  # live inputs of W+; see design.md for how they match StyleGAN2's
W_DIM = 512
BLOCKS = 7
CONSULTED = 3  # block whose 64 px map a consultation refines; its first convolution takes layer 7
FIRST_TUNED = 3  # block of the first weights that pivotal tuning may change: features of 64 px and finer
SLOPE = 0.2  # of every leaky ReLU
HAAR = 0.5 * torch.tensor(  # 2×2 synthesis kernels: low, row, column, diagonal
    [[[1, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]],
    dtype=torch.float32,
).unsqueeze(1)


class MappingNetwork(Mapper):
    """z → w: pixel norm and eight fully connected layers (StyleGAN2, section 2)."""

    z_dim = W_DIM
    w_avg = None  # the mean of w was not published

    def __init__(self, weights: list[Tensor], biases: list[Tensor]):
        super().__init__()
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList(biases)

    def forward(self, z: Tensor) -> Tensor:
        """[N, 512] standard normal → [N, 512]."""
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = functional.leaky_relu(functional.linear(x, weight, bias), SLOPE) * math.sqrt(2)
        return x


class Affine(nn.Module):
    """One layer's style: a learned affine map of w, shaped to scale the channels of a feature map."""

    def __init__(self, weight: Tensor, bias: Tensor, scale: float):
        super().__init__()
        self.weight, self.bias, self.scale = nn.Parameter(weight), nn.Parameter(bias), scale

    def forward(self, w: Tensor) -> Tensor:
        """[N, 512] → [N, C, 1, 1]."""
        return (functional.linear(w, self.weight, self.bias) * self.scale)[:, :, None, None]


class StyledConv(nn.Module):
    """Modulated convolution, baked noise, bias and leaky ReLU; depthwise-separable where `depth` is given."""

    noise: Tensor

    def __init__(self, style: Affine, depth: Tensor | None, point: Tensor, noise: Tensor, bias: Tensor):
        super().__init__()
        self.style = style
        self.depth = nn.Parameter(depth) if depth is not None else None
        self.point, self.bias = nn.Parameter(point), nn.Parameter(bias)
        self.register_buffer("noise", noise)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[N, C, S, S], [N, 512] → [N, C', S, S]."""
        x = x * self.style(w)
        if self.depth is not None:
            x = functional.conv2d(x, self.depth, padding=1, groups=x.shape[1])
        x = functional.conv2d(x, self.point, self.bias.flatten(), padding=self.point.shape[-1] // 2)
        return functional.leaky_relu_(x.add_(self.noise), SLOPE)  # in place: nothing is kept for gradients


def inverse_haar(x: Tensor) -> Tensor:
    """Inverse Haar transform: [N, 4C, S, S] → [N, C, 2S, 2S].

    Four channels in turn are the low band, the row, the column and the diagonal details of one. One grouped
    transposed convolution: on a CPU it is a third faster than sums of bands and a pixel shuffle.
    """
    groups = x.shape[1] // 4
    return functional.conv_transpose2d(x, HAAR.to(x).repeat(groups, 1, 1, 1), stride=2, groups=groups)


def by_channel(tensor: Tensor, dim: int = 0) -> Tensor:
    """Order bands by channel, as `inverse_haar` takes them: the published weights have all low bands first.

    Done once on the weights that make the bands; on the maps themselves it took a third of the time.
    """
    channels = tensor.shape[dim] // 4
    low, details = tensor.split([channels, 3 * channels], dim=dim)
    bands = torch.cat((low.unsqueeze(dim + 1), details.unflatten(dim, (channels, 3))), dim=dim + 1)
    return bands.flatten(dim, dim + 1).contiguous()


class Block(nn.Module):
    """Double the side, then two depthwise-separable styled convolutions."""

    def __init__(self, up: Affine, conv1: StyledConv, conv2: StyledConv):
        super().__init__()
        self.up, self.conv1, self.conv2 = up, conv1, conv2

    def forward(self, x: Tensor, first: Tensor, second: Tensor, *consultation: Tensor) -> Tensor:
        """[N, C, S, S] and two layers of W+, [N, 512] each → [N, C', 2S, 2S].

        A consultation, scale and shift [N, C, 2S, 2S], refines the map between the two convolutions:
        x(1 + scale) + shift (Wang et al. 2022, equation 6).
        """
        x = self.first_map(x, first)
        if consultation:
            scale, shift = consultation
            x = x * (1 + scale) + shift
        return self.conv2(x, second)

    def first_map(self, x: Tensor, first: Tensor) -> Tensor:
        """Doubling and first convolution: [N, C, S, S], [N, 512] → [N, C', 2S, 2S]."""
        return self.conv1(inverse_haar(x * self.up(first)), first)


class SynthesisNetwork(Synthesizer):
    """W+ → image. Layer 0 styles the first convolution, block b takes 2b+1 and 2b+2, the output 15.

    Only the last layer makes an image: smaller ones are read off a hidden map (see `drafts`).
    """

    resolution, num_layers, w_dim = 1024, NUM_LAYERS, W_DIM
    sizes = (1024,)
    consulted_shape = (512, 64, 64)
    fast_runtime = "openvino"  # 0.12 s an image on two cores
    steps_in_bfloat16 = (
        True  # drafts differ by a third of a grey level on average, gradients by 1e-4 (1 - cosine)
    )

    def __init__(
        self,
        constant: Tensor,
        first: StyledConv,
        blocks: list[Block],
        style: Affine,
        to_bands: Tensor,
        bias: Tensor,
    ):
        super().__init__()
        self.constant, self.first, self.blocks = (
            nn.Parameter(constant),
            first,
            nn.ModuleList(blocks),
        )
        self.style, self.to_bands, self.bias = style, nn.Parameter(to_bands), nn.Parameter(bias)

    def hidden(self, wplus: Tensor, blocks: int = BLOCKS, consultation: Sequence[Tensor] = ()) -> Tensor:
        """Feature map after the first `blocks` blocks: [N, 16, 512] → [N, C, 4·2^blocks, same].

        `consultation` is empty or scale and shift for block 3, [N, 512, 64, 64] each.
        """
        x = self.first(self.constant.expand(wplus.shape[0], -1, -1, -1), wplus[:, 0])
        for index in range(blocks):
            refined = consultation if index == CONSULTED else ()
            x = self._block(index)(x, wplus[:, 2 * index + 1], wplus[:, 2 * index + 2], *refined)
        return x

    def _block(self, index: int) -> Block:
        block = self.blocks[index]
        assert isinstance(block, Block)
        return block

    def consulted(self, wplus: Tensor) -> Tensor:
        """The map that a consultation refines: [N, 16, 512] → [N, 512, 64, 64]."""
        block, layer = self._block(CONSULTED), wplus[:, 2 * CONSULTED + 1]
        return block.first_map(self.hidden(wplus, CONSULTED), layer)

    def style_weights(self, layers: int) -> Tensor:
        """Weights [C, 512] of the styles that the first `layers` layers of W+ make, all channels."""
        affines = [(0, self.first.style)]
        for index, block in enumerate(map(self._block, range(BLOCKS))):
            affines += [(2 * index + 1, block.up), (2 * index + 1, block.conv1.style)]
            affines += [(2 * index + 2, block.conv2.style)]
        return torch.cat([affine.weight.detach() for layer, affine in affines if layer < layers])

    @property
    def tunable(self) -> list[str]:
        """Parameters that pivotal tuning may change: late convolutions, no styles."""
        late = tuple(f"blocks.{index}.conv" for index in range(FIRST_TUNED, BLOCKS))
        names = [name for name, _ in self.named_parameters() if ".style." not in name]
        return [name for name in names if name.startswith(late) or name == "to_bands"]

    def forward(self, wplus: Tensor, size: int = 1024, consultation: Sequence[Tensor] = ()) -> Tensor:
        """[N, 16, 512], perhaps with a scale and a shift → [N, 3, 1024, 1024], about [-1, 1]."""
        assert size in self.sizes, size
        x = self.hidden(wplus, consultation=consultation) * self.style(wplus[:, NUM_LAYERS - 1])
        return inverse_haar(functional.conv2d(x, self.to_bands, self.bias))


class _Graph:
    """Constants of an OpenVINO IR, found by name or by following the edges from a named one."""

    def __init__(self, path: Path):
        import openvino

        for file in (path, path.with_suffix(".bin")):
            manifests.check(file)
        self.model = openvino.Core().read_model(path)  # the model owns what the nodes point to
        self.nodes = {node.get_friendly_name(): node for node in self.model.get_ordered_ops()}

    def tensor(self, name: str) -> Tensor:
        return self._value(self.nodes[name])

    @staticmethod
    def _value(node) -> Tensor:
        return torch.from_numpy(node.data.copy())

    @staticmethod
    def _consumer(node):
        return next(iter(node.output(0).get_target_inputs())).get_node()

    def _constant_input(self, node) -> Tensor:
        sources = (value.get_node() for value in node.input_values())
        return self._value(next(s for s in sources if s.get_type_name() == "Constant"))

    def affine(self, name: str, scale: float) -> Affine:
        bias = self.tensor(f"{name}.modulation.bias").flatten()
        return Affine(self.tensor(f"{name}.modulation.weight"), bias, scale)

    def band_affine(self, name: str) -> Affine:
        """The style of the bands that an inverse Haar transform takes."""
        affine = self.affine(name, 1.0)
        return Affine(by_channel(affine.weight.data), by_channel(affine.bias.data), 1.0)

    def styled_conv(self, name: str, *, bands: bool) -> StyledConv:
        """A styled convolution; `bands` says that an inverse Haar transform follows."""
        modulation = self.tensor(f"{name}.conv.modulation.weight")
        channels = modulation.shape[0]
        depth_name = f"{name}.conv.weight_dw"
        if depth_name in self.nodes:
            depth = self.tensor(depth_name).reshape(channels, 1, 3, 3)
            conv = self._consumer(self._consumer(self.nodes[depth_name]))
        else:
            depth, conv = None, self._first_convolution()
        noise = self._constant_input(self._consumer(conv))
        point, bias = self._constant_input(conv), self.tensor(f"{name}.bias")
        if bands:
            point, bias = by_channel(point), by_channel(bias, dim=1)
        style = self.affine(f"{name}.conv", 1 / math.sqrt(channels * 9))
        return StyledConv(style, depth, point, noise, bias)

    def _first_convolution(self):
        return next(n for n in self.model.get_ordered_ops() if n.get_type_name() == "Convolution")

    def dense_layers(self) -> tuple[list[Tensor], list[Tensor]]:
        products = [n for n in self.model.get_ordered_ops() if n.get_type_name() == "MatMul"]
        weights = [self._constant_input(node) for node in products]
        biases = [self._constant_input(self._consumer(node)).flatten() for node in products]
        return weights, biases


def load_mapping(path: Path) -> MappingNetwork:
    """The mapping network of `path`, a `MappingNetwork.xml` with its `.bin` beside it."""
    return MappingNetwork(*_Graph(path).dense_layers()).eval()


def load_synthesis(path: Path) -> SynthesisNetwork:
    """The synthesis network of `path`, a `SynthesisNetwork.xml` with its `.bin` beside it."""
    graph = _Graph(path)
    blocks = [
        Block(
            graph.band_affine(f"m.layers.{index}.up"),
            graph.styled_conv(f"m.layers.{index}.conv1", bands=False),
            graph.styled_conv(f"m.layers.{index}.conv2", bands=index < BLOCKS - 1),
        )
        for index in range(BLOCKS)
    ]
    last = f"m.layers.{BLOCKS - 1}.to_img"
    to_bands = graph.tensor(f"{last}.conv.weight")
    style = graph.affine(f"{last}.conv", 1 / math.sqrt(to_bands.shape[1]))
    return SynthesisNetwork(
        graph.tensor("m.input.input"),
        graph.styled_conv("m.conv1", bands=True),
        blocks,
        style,
        by_channel(to_bands),
        by_channel(graph.tensor(f"{last}.bias").flatten()),
    ).eval()


def load(folder: Path) -> tuple[MappingNetwork, SynthesisNetwork]:
    """Both networks from the `folder` that holds the OpenVINO IR."""
    return load_mapping(folder / "MappingNetwork.xml"), load_synthesis(folder / "SynthesisNetwork.xml")
