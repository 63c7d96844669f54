"""Read StyleGAN2 generators of other projects as one architecture and one state dict.

Read are pickles of NVIDIA's PyTorch code (stylegan2-ada-pytorch, and stylegan3 with `--cfg=stylegan2`),
pickles of its TensorFlow code, checkpoints of rosinality's code, and our own safetensors. Nothing that such
a file names is imported or run: `unpickling` yields inert records, and the weights go into our own modules.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from d2a_core.generator import checkpoint, stylegan2
from d2a_core.generator.checkpoint import Checkpoint, State
from d2a_core.generator.stylegan2 import Architecture
from d2a_core.generator.unpickling import machine
from d2a_core.generator.unpickling.machine import Record
from d2a_core.store import texts, weights
from d2a_core.store.lineage import Identity
from d2a_core.store.manifests import RECORD

MEAN_SAMPLES = 10_000  # z drawn for the mean of W where a checkpoint has none
MEAN_SEED = 0
ROSINALITY_LR_MULTIPLIER = 0.01  # the only one its training code uses; not recorded


@dataclass(frozen=True)
class _Recorded:
    """Facts of a file beside its tensors."""

    lr_multiplier: float
    resample_filter: tuple[float, ...]
    conv_clamp: float | None = None
    fp16_blocks: int = 0


def load(path: str | Path, *, label: int | None = None) -> Checkpoint:
    """Read the exponential-average generator of any known file.

    `label` picks the class of a conditional checkpoint; its embedding becomes a bias of the mapping.
    Raises ValueError, in one sentence with the remedy, for whatever cannot be used.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file; {checkpoint.REMEDIES[0]}")
    if weights.is_safetensors(path):
        return checkpoint.load(path, label=label)
    content = machine.load(path)
    with checkpoint.naming(path):
        kind, state, recorded = _read(content)
        state = _fold_label(state, label)
        architecture = _architecture(state, recorded)
        state = _complete(architecture, state)
        stylegan2.check(architecture, state)
    origin = {"name": path.name, "format": kind, "sha256": texts.sha256(path)}
    return Checkpoint(architecture, state, origin if label is None else origin | {"label": label})


def convert(source: str | Path, target: str | Path, *, label: int | None = None) -> Checkpoint:
    """Read `source` as `load` does and write it to `target` as safetensors, atomically."""
    if Path(target).suffix != ".safetensors":
        raise ValueError(f"{target} should end in .safetensors; rename the output")
    loaded = load(source, label=label)
    checkpoint.save(loaded, target)
    return loaded


def _read(content: object) -> tuple[str, State, _Recorded]:
    """Name of the format, tensors under NVIDIA's names, and recorded facts."""
    if isinstance(content, tuple) and len(content) == 3:
        *others, network = map(_tensorflow_state, content)
        if network is not None and None not in others:
            return "tensorflow", *_read_tensorflow(network)
    if isinstance(content, Mapping) and isinstance(content.get("G_ema"), Record):
        return "nvidia", *_read_nvidia(content["G_ema"])
    if isinstance(content, Record):
        return "nvidia", *_read_nvidia(content)
    if isinstance(content, Mapping) and isinstance(content.get("g_ema"), Mapping):
        return "rosinality", *_read_rosinality(content["g_ema"], content.get("latent_avg"))
    names = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
    raise ValueError(
        f"there is no generator G_ema or g_ema in it, only {names[:200]}; give {checkpoint.KINDS}"
    )


def _read_nvidia(record: Record) -> tuple[State, _Recorded]:
    """Tensors and facts of a pickled module tree: each module records what its constructor was given."""
    modules = dict(_modules(record, ""))
    name = modules[""][0]
    synthesis: tuple[str | None, Mapping[str, Any]] = modules.get("synthesis", (None, {}))
    if "synthesis.b4" not in modules or "mapping.fc0" not in modules:
        what = " with a ".join(filter(None, (name, synthesis[0])))
        layers = synthesis[1].get("layer_names", ())
        kind = " of StyleGAN3's alias-free kind" if layers else ""
        raise ValueError(f"it holds a {what}{kind}, not a StyleGAN2 generator; give {checkpoint.KINDS}")
    facts = {path: state for path, (_, state) in modules.items()}
    tensors = {}
    for path, state in facts.items():
        for tensor_name, value in (*state["_parameters"].items(), *state["_buffers"].items()):
            if isinstance(value, Tensor):
                tensors[f"{path}.{tensor_name}"] = value.detach().float()
    taps = _taps(_pop_filters(tensors, ".resample_filter"))
    return tensors, _nvidia_facts(facts, taps)


def _nvidia_facts(facts: Mapping[str, Mapping[str, Any]], taps: tuple[float, ...]) -> _Recorded:
    layers = {path: state for path, state in facts.items() if re.search(r"\.(fc|conv)\d+$", path)}
    activation = _single("activation", (state.get("activation") for state in layers.values()), "lrelu")
    if activation != "lrelu":
        raise ValueError(f"its activation is {activation!r}; give a checkpoint with 'lrelu'")
    dense = (state.get("bias_gain") for path, state in facts.items() if path.startswith("mapping.fc"))
    clamps = (state.get("conv_clamp") for path, state in layers.items() if ".conv" in path)
    halves = (
        state.get("use_fp16") for path, state in facts.items() if re.fullmatch(r"synthesis\.b\d+", path)
    )
    return _Recorded(
        lr_multiplier=_single("bias_gain of the mapping", dense),
        resample_filter=taps,
        conv_clamp=_single("conv_clamp", clamps),
        fp16_blocks=sum(map(bool, halves)),
    )


def _single(name: str, values: Iterable[Any], default: Any = None) -> Any:
    """The one value that all layers share."""
    found = set(values) or {default}
    if len(found) > 1:
        raise ValueError(f"its layers differ in {name} ({found}); give an unmodified StyleGAN2")
    return found.pop()


def _modules(record: object, path: str) -> Iterator[tuple[str, tuple[str, Mapping[str, Any]]]]:
    """Dotted path, class name and state of a module and all below it."""
    name, state = _module(record)
    yield path, (name, state)
    for child, value in state["_modules"].items():
        if value is not None:
            yield from _modules(value, f"{path}.{child}" if path else child)


def _module(record: object) -> tuple[str, Mapping[str, Any]]:
    """Class name and state of a module, pickled with its source (`torch_utils.persistence`) or without."""
    name, state = None, None
    if isinstance(record, Record):
        name, state = record.name, record.state
        if record.args and isinstance(record.args[0], Mapping) and "class_name" in record.args[0]:
            name, state = record.args[0]["class_name"], record.args[0].get("state")
    parts = ("_modules", "_parameters", "_buffers")
    if not isinstance(state, Mapping) or not all(isinstance(state.get(part), Mapping) for part in parts):
        raise ValueError(
            f"its {name or type(record).__name__} is not a network of PyTorch; give {checkpoint.KINDS}"
        )
    return str(name), state


TENSORFLOW_LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb", "Skip": "skip"}


def _tensorflow_state(content: object) -> Mapping[str, Any] | None:
    """State of a network of TensorFlow, None for anything else."""
    if isinstance(content, Record) and content.name == "Network" and isinstance(content.state, Mapping):
        return content.state
    return None


def _read_tensorflow(network: Mapping[str, Any]) -> tuple[State, _Recorded]:
    """Tensors and facts of a `dnnlib.tflib.network.Network`: images are NCHW, kernels HWIO, matrices IO."""
    variables = dict(_variables(network, ""))
    if any(name.rpartition("/")[2] == "lod" for name in variables):
        raise ValueError(
            "it was grown progressively (StyleGAN, or StyleGAN2 configs A to D); give one of config-e or -f"
        )
    if "synthesis/4x4/Const/const" not in variables or "mapping/Dense0/weight" not in variables:
        raise ValueError(
            f"it holds no StyleGAN2 generator but {network.get('name')}; give {checkpoint.KINDS}"
        )
    tensors = {}
    for name, value in variables.items():
        translated = _translate_variable(name, value)
        if translated is not None:
            tensors[translated[0]] = torch.from_numpy(np.array(translated[1], dtype=np.float32))
    options = network.get("static_kwargs") or {}
    for option in ("nonlinearity", "mapping_nonlinearity"):
        if options.get(option, "lrelu") != "lrelu":
            raise ValueError(f"its {option} is {options[option]!r}; give a checkpoint with 'lrelu'")
    return tensors, _Recorded(
        lr_multiplier=options.get("mapping_lrmul", 0.01),
        resample_filter=_taps(options.get("resample_kernel", [1, 3, 3, 1])),
        conv_clamp=options.get("conv_clamp"),
        fp16_blocks=min(options.get("num_fp16_res") or 0, len(_sides(tensors)) - 1),
    )


def _variables(network: Mapping[str, Any] | None, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    if network is None:
        raise ValueError(
            f"its {prefix or 'generator'} is not a network of TensorFlow; give {checkpoint.KINDS}"
        )
    for variable in network.get("variables", ()):
        if len(variable) != 2:
            raise ValueError(
                f"a variable of its {prefix or 'generator'} is no pair of name and value; "
                f"give {checkpoint.KINDS}"
            )
        yield prefix + variable[0], np.asarray(variable[1])
    for name, part in (network.get("components") or {}).items():
        yield from _variables(_tensorflow_state(part), f"{prefix}{name}/")


def _translate_variable(name: str, value: np.ndarray) -> tuple[str, np.ndarray] | None:
    """NVIDIA's PyTorch name and layout of a TensorFlow variable; None for what inference does not need."""
    if name == "dlatent_avg":
        return "mapping.w_avg", value
    if name == "synthesis/4x4/Const/const":
        return "synthesis.b4.const", value[0]
    if found := re.fullmatch(r"mapping/(Dense(\d+)|LabelEmbed)/(weight|bias)", name):
        layer = "embed" if found[2] is None else f"fc{found[2]}"
        return f"mapping.{layer}.{found[3]}", value.T
    if found := re.fullmatch(r"synthesis/noise(\d{1,2})", name):
        return f"{_noise_layer(int(found[1]))}.noise_const", value[0, 0]
    if name == "mapping/LabelConcat/weight":
        raise ValueError("its class enters before the pixel norm; give a checkpoint without classes")
    if found := re.fullmatch(r"synthesis/(\d+)x\1/(\w+)/(\w+)", name):
        layer = f"synthesis.b{found[1]}.{TENSORFLOW_LAYERS.get(found[2], found[2])}"
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


def _noise_layer(index: int) -> str:
    """The convolution that the noise input `index` belongs to: 4 px has one, every other block two."""
    return f"synthesis.b{4 << (index + 1) // 2}.conv{int(index % 2 == 0)}"


ROSINALITY_TENSORS = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def _read_rosinality(g_ema: Mapping[str, Tensor], mean: object) -> tuple[State, _Recorded]:
    if not {"input.input", "style.1.weight", "to_rgb1.bias"} <= g_ema.keys():
        raise ValueError(f"its g_ema is not StyleGAN2 by rosinality's code; give {checkpoint.KINDS}")
    source = {name: value.detach().float() for name, value in g_ema.items() if isinstance(value, Tensor)}
    taps = _taps(_pop_filters(source, ".kernel"))
    tensors = {}
    for name, value in source.items():
        name = _translate_rosinality(name)
        tensors[name] = _without_unit_axes(name, value)
    if isinstance(mean, Tensor):
        tensors["mapping.w_avg"] = mean.detach().float().flatten()
    return tensors, _Recorded(ROSINALITY_LR_MULTIPLIER, taps)


def _without_unit_axes(name: str, value: Tensor) -> Tensor:
    """Kernels are [1, O, I, k, k] there, noise [1, 1, S, S], its strength [1], biases [C] or [1, C, 1, 1]."""
    kind = name.rpartition(".")[2]
    if kind == "bias":
        return value.flatten()
    axes = {"const": 3, "noise_const": 2, "noise_strength": 0}.get(kind, min(value.ndim, 4))
    return value.reshape(value.shape[value.ndim - axes :])


def _translate_rosinality(name: str) -> str:
    """NVIDIA's name of a tensor; an unknown name stays and is refused with the shapes."""
    if name == "input.input":
        return "synthesis.b4.const"
    if found := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name):
        return f"mapping.fc{int(found[1]) - 1}.{found[2]}"
    if found := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        return f"{_noise_layer(int(found[1]))}.noise_const"
    found = re.fullmatch(r"(conv1|convs\.(\d{1,2})|to_rgb1|to_rgbs\.(\d{1,2}))\.(.+)", name)
    if not found or found[4] not in ROSINALITY_TENSORS:
        return name
    tensor = ROSINALITY_TENSORS[found[4]]
    if found[1].startswith("to_rgb"):
        return f"synthesis.b{4 if found[3] is None else 8 << int(found[3])}.torgb.{tensor}"
    return f"{_noise_layer(0 if found[2] is None else int(found[2]) + 1)}.{tensor}"


def _pop_filters(tensors: State, suffix: str) -> Tensor:
    """Take the low-pass filters out of `tensors`; all are copies of one, up to its gain."""
    filters = [tensors.pop(name) for name in list(tensors) if name.endswith(suffix)]
    filters = [value / value.sum() for value in filters]
    if not filters or any(value.shape != filters[0].shape for value in filters):
        raise ValueError(f"its low-pass filters are missing or differ; give {checkpoint.KINDS}")
    if any(not torch.allclose(value, filters[0], atol=1e-6) for value in filters):
        raise ValueError(f"its low-pass filters differ from layer to layer; give {checkpoint.KINDS}")
    return filters[0]


def _taps(kernel: object) -> tuple[float, ...]:
    """Normalised taps of a filter, given as such or as their outer product."""
    kernel = torch.as_tensor(kernel, dtype=torch.float64) if kernel is not None else torch.ones(1)
    kernel = kernel / kernel.sum()
    taps = kernel.sum(dim=0) if kernel.ndim == 2 else kernel
    if kernel.ndim == 2 and not torch.allclose(torch.outer(taps, taps), kernel, atol=1e-6):
        raise ValueError(f"its low-pass filter {kernel.tolist()} is not separable; give a usual StyleGAN2")
    return tuple(taps.tolist())


def _fold_label(state: State, label: int | None) -> State:
    """Make the mapping that of one class.

    The first layer sees [z, y], both normalised, y the embedding of the class: its part for y is a constant
    and goes into the bias.
    """
    weight = state.get("mapping.embed.weight")
    if weight is None:
        if label is not None:
            raise ValueError(f"it knows no classes, so label={label} means nothing; leave label out")
        return state
    width, classes = weight.shape
    if label is None or not 0 <= label < classes:
        raise ValueError(f"it knows {classes} classes and label is {label}; give a label in 0…{classes - 1}")
    bias = state.get("mapping.embed.bias", torch.zeros(width))
    y = stylegan2.normalize((weight[:, label] / math.sqrt(classes) + bias)[None])
    first, inputs = state["mapping.fc0.weight"], state["mapping.fc0.weight"].shape[1]
    kept = first[:, : inputs - width] * math.sqrt((inputs - width) / inputs)  # its own gain is 1/√inputs
    shift = (first[:, inputs - width :] @ y[0]) / math.sqrt(inputs)  # the bias carries the multiplier, too
    folded = {name: value for name, value in state.items() if not name.startswith("mapping.embed.")}
    return folded | {"mapping.fc0.weight": kept, "mapping.fc0.bias": state["mapping.fc0.bias"] + shift}


def _architecture(state: State, recorded: _Recorded) -> Architecture:
    """Shapes from the tensors, the rest as recorded."""
    sides = _sides(state)
    layers = sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in state)
    skip = "synthesis.b4.torgb.weight" in state
    residual = "synthesis.b8.skip.weight" in state
    colours = state[f"synthesis.b{sides[-1]}.torgb.bias"].shape[0]
    if colours != 3:
        raise ValueError(f"its images have {colours} channels; give a checkpoint of RGB images")
    first = state["mapping.fc0.weight"]
    last = state.get(f"mapping.fc{layers - 1}.weight", first)
    return Architecture(
        resolution=sides[-1],
        channels=tuple(state[f"synthesis.b{side}.conv1.weight"].shape[0] for side in sides),
        synthesis="skip" if skip else "resnet" if residual else "orig",
        z_dim=first.shape[-1],
        w_dim=last.shape[0],
        mapping_layers=layers,
        mapping_width=first.shape[0] if layers > 1 else last.shape[0],
        mapping_lr_multiplier=recorded.lr_multiplier,
        resample_filter=recorded.resample_filter,
        conv_clamp=recorded.conv_clamp,
        fp16_blocks=recorded.fp16_blocks,
    )


def _sides(state: State) -> list[int]:
    """Sides of the blocks in px, ascending."""
    found = (re.fullmatch(r"synthesis\.b(\d{1,4})\.conv1\.weight", name) for name in state)
    return sorted(int(match[1]) for match in found if match)


def _complete(architecture: Architecture, state: State) -> State:
    """Add what some files leave out: noise that is off, and the mean of W."""
    shapes = stylegan2.shapes(architecture)
    quiet = {name: torch.zeros(shape) for name, shape in shapes.items() if ".noise_" in name}
    state = quiet | state
    if "mapping.w_avg" not in state:
        state["mapping.w_avg"] = torch.zeros(architecture.w_dim)
        stylegan2.check(architecture, state)
        mapping = stylegan2.build(architecture, state).mapping
        z = torch.randn(MEAN_SAMPLES, architecture.z_dim, generator=torch.Generator().manual_seed(MEAN_SEED))
        with torch.no_grad():
            state["mapping.w_avg"] = mapping(z).mean(dim=0)
    return state


def convert_as(source: str | Path, target: str | Path, identity: Identity) -> stylegan2.Architecture:
    """Write the checkpoint `source`, a file or the folder of a download, to `target` for `load`.

    Raises ValueError when it is not the one that `identity` names.
    """
    source = Path(source)
    if source.is_dir():
        (name,) = texts.read_json(source / RECORD)["files"]
        source = source / name
    digest = texts.sha256(source)
    if digest != identity.sha256:
        raise ValueError(
            f"{source} has the sha256 {digest} instead of {identity.sha256}; run snakemake again"
        )
    found = load(source)
    origin = found.origin | {"name": identity.name, "sha256": identity.sha256}
    checkpoint.save(replace(found, origin=origin), target)
    return found.architecture
