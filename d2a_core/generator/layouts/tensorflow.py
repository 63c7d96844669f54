"""Generators of NVIDIA's TensorFlow code, pickled as three networks."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from d2a_core.generator.checkpoint import KINDS
from d2a_core.generator.layouts.network import LR_MULTIPLIER, Facts, Network, noise_layer, taps
from d2a_core.generator.unpickling.machine import Record

LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb", "Skip": "skip"}


def state_of(content: object) -> Mapping[str, Any] | None:
    """State of a network of TensorFlow, None for anything else."""
    if isinstance(content, Record) and content.name == "Network" and isinstance(content.state, Mapping):
        return content.state
    return None


def read(network: Mapping[str, Any]) -> Network:
    """State of a `dnnlib.tflib.network.Network`: images are NCHW, kernels HWIO, matrices IO."""
    variables = dict(_variables(network, ""))
    if any(name.rpartition("/")[2] == "lod" for name in variables):
        raise ValueError(
            "it was grown progressively (StyleGAN, or StyleGAN2 configs A to D); give one of config-e or -f"
        )
    if "synthesis/4x4/Const/const" not in variables or "mapping/Dense0/weight" not in variables:
        raise ValueError(f"it holds no StyleGAN2 generator but {network.get('name')}; give {KINDS}")
    tensors = {}
    for name, value in variables.items():
        translated = _translate(name, value)
        if translated is not None:
            tensors[translated[0]] = torch.from_numpy(np.array(translated[1], dtype=np.float32))
    options = network.get("static_kwargs") or {}
    for option in ("nonlinearity", "mapping_nonlinearity"):
        if options.get(option, "lrelu") != "lrelu":
            raise ValueError(f"its {option} is {options[option]!r}; give a checkpoint with 'lrelu'")
    blocks = sum(re.fullmatch(r"synthesis\.b\d{1,4}\.conv1\.weight", name) is not None for name in tensors)
    facts = Facts(
        lr_multiplier=options.get("mapping_lrmul", LR_MULTIPLIER),
        resample_filter=taps(options.get("resample_kernel", [1, 3, 3, 1])),
        conv_clamp=options.get("conv_clamp"),
        fp16_blocks=min(options.get("num_fp16_res") or 0, blocks - 1),
    )
    return Network("tensorflow", tensors, facts)


def _variables(network: Mapping[str, Any] | None, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    if network is None:
        raise ValueError(f"its {prefix or 'generator'} is not a network of TensorFlow; give {KINDS}")
    for variable in network.get("variables", ()):
        if len(variable) != 2:
            raise ValueError(
                f"a variable of its {prefix or 'generator'} is no pair of name and value; give {KINDS}"
            )
        yield prefix + variable[0], np.asarray(variable[1])
    for name, part in (network.get("components") or {}).items():
        yield from _variables(state_of(part), f"{prefix}{name}/")


def _translate(name: str, value: np.ndarray) -> tuple[str, np.ndarray] | None:
    """NVIDIA's PyTorch name and layout of a TensorFlow variable; None for what inference does not need."""
    if name == "dlatent_avg":
        return "mapping.w_avg", value
    if name == "synthesis/4x4/Const/const":
        return "synthesis.b4.const", value[0]
    if found := re.fullmatch(r"mapping/(Dense(\d+)|LabelEmbed)/(weight|bias)", name):
        layer = "embed" if found[2] is None else f"fc{found[2]}"
        return f"mapping.{layer}.{found[3]}", value.T
    if found := re.fullmatch(r"synthesis/noise(\d{1,2})", name):
        return f"{noise_layer(int(found[1]))}.noise_const", value[0, 0]
    if name == "mapping/LabelConcat/weight":
        raise ValueError("its class enters before the pixel norm; give a checkpoint without classes")
    if found := re.fullmatch(r"synthesis/(\d+)x\1/(\w+)/(\w+)", name):
        layer = f"synthesis.b{found[1]}.{LAYERS.get(found[2], found[2])}"
        return _translate_layer(layer, found[3], value)
    return None


def _translate_layer(layer: str, name: str, value: np.ndarray) -> tuple[str, np.ndarray]:
    if name == "weight":
        kernel = value.transpose(3, 2, 0, 1)
        # its upsampling convolution correlates, a transposed convolution does not
        return f"{layer}.weight", kernel[:, :, ::-1, ::-1] if layer.endswith(("conv0", "skip")) else kernel
    if name == "mod_weight":
        return f"{layer}.affine.weight", value.T
    return (f"{layer}.affine.bias", value + 1) if name == "mod_bias" else (f"{layer}.{name}", value)
