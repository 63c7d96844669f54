"""Networks of TensorFlow Lite as frozen PyTorch modules: batched, on any device, with gradients to images.

OpenVINO reads the file; its graph, whose batch is fixed at one, is translated node by node.
"""

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional


def load(path: Path) -> fx.GraphModule:
    """The network of a `.tflite` file: images float [N, H, W, C] → its outputs, a tuple of N rows each.

    Raises ValueError when it has a node that is not translated here.
    """
    import openvino

    translation = _Translation(path)
    model = openvino.Core().read_model(path)
    for node in model.get_ordered_ops():
        translation.add(node)
    return translation.finished(model.get_results())


class _PRelu(torch.autograd.Function):
    """PyTorch's own gradient decides value by value; on a CPU it takes ten times as long as these passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return functional.prelu(x, slope.flatten())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, slope = ctx.saved_tensors
        positive = torch.ops.aten.threshold_backward(gradients[0], x, 0)
        return torch.lerp(positive, gradients[0], slope), None


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """`x` [N, C, H, W] where positive, else `slope` [1, C, 1, 1] times `x`; the slope gets no gradient."""
    return _PRelu.apply(x, slope)


def rows_of(x: Tensor, shape: list[int]) -> Tensor:
    """Each of the N rows of `x` in this `shape`."""
    return x.reshape(len(x), *shape)


class _Translation:
    """A graph of OpenVINO on its way to one of `torch.fx`, node after node."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._graph, self._root = fx.Graph(), nn.Module()
        self._values: dict[str, fx.Node | Tensor] = {}  # by the name of the node; a tensor is a constant
        self._kinds: dict[str, Callable[[Any, list], fx.Node | Tensor]] = {
            "Parameter": lambda node, inputs: self._graph.placeholder("images"),
            "Constant": lambda node, inputs: torch.from_numpy(node.data.copy()),
            "Convolution": self._convolution,
            "GroupConvolution": self._convolution,
            "Add": self._add,
            "PRelu": lambda node, inputs: self._call(prelu, *inputs),
            "MaxPool": self._max_pool,
            "Pad": self._pad,
            "Transpose": lambda node, inputs: self._call(torch.permute, inputs[0], inputs[1].tolist()),
            "Reshape": self._reshape,
            "Result": lambda node, inputs: inputs[0],
        }

    def add(self, node: Any) -> None:
        """Translate the next node; those that it takes as inputs have been."""
        kind = node.get_type_name()
        if kind not in self._kinds:
            known = ", ".join(self._kinds)
            raise ValueError(f"{self._path} has a node {kind}; only {known} can be translated to PyTorch")
        inputs = [self._values[_name(source.get_node())] for source in node.input_values()]
        self._values[_name(node)] = self._kinds[kind](node, inputs)

    def finished(self, results: list) -> fx.GraphModule:
        """The module with these results, in their order."""
        self._graph.output(tuple(self._values[_name(result)] for result in results))
        return fx.GraphModule(self._root, self._graph).eval().requires_grad_(False)

    def _call(self, function: Callable, *arguments: Any) -> fx.Node:
        """A call of the function; constants among its arguments become buffers."""
        return self._graph.call_function(function, tuple(self._argument(value) for value in arguments))

    def _argument(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        name = f"constant_{sum(1 for _ in self._root.buffers())}"
        self._root.register_buffer(name, value)
        return self._graph.get_attr(name)

    def _module(self, module: nn.Module, x: fx.Node) -> fx.Node:
        name = f"layer_{sum(1 for _ in self._root.children())}"
        self._root.add_module(name, module)
        return self._graph.call_module(name, (x,))

    def _convolution(self, node: Any, inputs: list) -> fx.Node:
        """A convolution without bias; more padding at the end is a kernel with zeros at its beginning.

        So no padded copy of the maps is made.
        """
        x, weight = inputs
        groups = len(weight) if weight.ndim == 5 else 1
        weight = weight.flatten(0, 1) if weight.ndim == 5 else weight
        settings = node.get_attributes()
        (top, left), (bottom, right) = settings["pads_begin"], settings["pads_end"]
        weight = functional.pad(weight, (right - left, 0, bottom - top, 0))
        channels = weight.shape[1] * groups, weight.shape[0]
        shape = {"kernel_size": weight.shape[2:], "stride": settings["strides"], "padding": (bottom, right)}
        layer = nn.Conv2d(*channels, **shape, groups=groups, bias=False)
        # with the channels of a pixel side by side a depthwise convolution takes a third of the time
        layer.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        return self._module(layer, x)

    def _add(self, node: Any, inputs: list) -> fx.Node:
        """A sum; a constant added to what a convolution gives to this node alone becomes its bias."""
        x, other = inputs
        if isinstance(other, Tensor) and x.op == "call_module" and _is_only_reader(node):
            layer = self._root.get_submodule(x.target)
            if isinstance(layer, nn.Conv2d) and layer.bias is None:
                layer.bias = nn.Parameter(other.flatten())
                return x
        return self._call(operator.add, x, other)

    def _max_pool(self, node: Any, inputs: list) -> fx.Node:
        settings = node.get_attributes()
        assert not any((*settings["pads_begin"], *settings["pads_end"])), "padded pooling"
        return self._module(nn.MaxPool2d(settings["kernel"], settings["strides"]), inputs[0])

    def _pad(self, node: Any, inputs: list) -> fx.Node:
        x, before, after, value = inputs
        pairs = zip(reversed(before.tolist()), reversed(after.tolist()), strict=True)  # last axis first
        return self._call(
            functional.pad, x, [side for pair in pairs for side in pair], "constant", value.item()
        )

    def _reshape(self, node: Any, inputs: list) -> fx.Node:
        rows, *shape = inputs[1].tolist()
        assert rows == 1, "a reshaped batch"
        return self._call(rows_of, inputs[0], shape)


def _name(node: Any) -> str:
    return node.get_friendly_name()


def _is_only_reader(node: Any) -> bool:
    """Whether nothing but this node reads its first input."""
    return len(node.input_value(0).get_target_inputs()) == 1
