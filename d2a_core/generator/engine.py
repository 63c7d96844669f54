"""Run a network: compiled by OpenVINO on a CPU, in batches that fit on a GPU."""

import functools
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from d2a_core import runtime


def compile_openvino(module: nn.Module, *examples: Tensor, threads: int):
    """Compile `module` for the CPU, for one row at a time; float32 even where bfloat16 would be native.

    `examples` are its inputs, [1, …] each. With a known shape OpenVINO plans its memory beforehand, which is
    a tenth faster than batches of any size, and a row is the same whatever its neighbours. OpenVINO 2026
    picks bfloat16 by itself on processors that have it, which moves pixels by up to 2 grey levels in 10:
    hence the precision hint.
    """
    import openvino

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # tracing is what OpenVINO converts fastest
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # what depends on sizes alone is constant
        zeros = tuple(map(torch.zeros_like, examples))
        traced = torch.jit.trace(module, zeros, check_trace=False)
        model = openvino.convert_model(traced, example_input=zeros)
    model.reshape({index: list(example.shape) for index, example in enumerate(examples)})
    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        **runtime.FREE_THREADS,
    }
    return openvino.Core().compile_model(model, "CPU", hints)


def run_compiled(network, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Outputs [N, …] of a network of `compile_openvino`, for inputs [N, …]."""
    rows = zip(*(tensor.detach().numpy().copy() for tensor in inputs), strict=True)
    whole: list[NDArray[np.float32]] = []
    for index, row in enumerate(rows):
        outputs = network([part[None] for part in row]).values()
        whole = whole or [np.empty((len(inputs[0]), *value.shape[1:]), value.dtype) for value in outputs]
        for target, value in zip(whole, outputs, strict=True):
            target[index] = value[0]
    return [torch.from_numpy(value) for value in whole]


@functools.cache
def has_bfloat16_units() -> bool:
    """Whether this processor has matrix units for bfloat16."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def in_batches(network: Callable[..., Tensor], inputs: Sequence[Tensor], *, batch: int) -> tuple[Tensor, int]:
    """Run `network` on at most `batch` rows at a time, on half as many whenever a GPU's memory is full.

    `inputs` are [N, …] each. Returns the rows of the output and the batch that fitted at last; a single row
    that does not fit raises torch.OutOfMemoryError.
    """
    parts, done, count = [], 0, len(inputs[0])
    while done < count:
        part = _attempt(network, [tensor[done : done + batch] for tensor in inputs])
        if part is None:
            batch = min(batch, count - done) // 2
            torch.cuda.empty_cache()
        else:
            parts.append(part)
            done += batch
    return torch.cat(parts), batch


def _attempt(network: Callable[..., Tensor], rows: Sequence[Tensor]) -> Tensor | None:
    """Output for some rows, None when they do not fit.

    A function of its own: while an error is handled, its frames hold the memory that is to be freed.
    """
    try:
        return network(*rows)
    except torch.OutOfMemoryError:
        if len(rows[0]) == 1:
            raise
        return None
