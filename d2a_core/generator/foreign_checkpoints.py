"""Read StyleGAN2 generators of other projects as one architecture and one state dict.

Read are pickles of NVIDIA's PyTorch code (stylegan2-ada-pytorch, and stylegan3 with `--cfg=stylegan2`),
pickles of its TensorFlow code, checkpoints of rosinality's code and of what grew from it (pSp, e4e, BasicSR),
state dicts of any of them, and safetensors. Nothing that such a file names is imported or run: `unpickling`
yields inert records, `layouts` finds the generator among them, and the weights go into our own modules.
"""

import math
import re
from dataclasses import replace
from logging import Logger
from pathlib import Path

import torch

from d2a_core.generator import checkpoint, stylegan2
from d2a_core.generator.checkpoint import Checkpoint, State
from d2a_core.generator.layouts import finding
from d2a_core.generator.layouts.network import MEAN, Facts
from d2a_core.generator.stylegan2 import Architecture
from d2a_core.generator.unpickling import machine
from d2a_core.store import texts, weights
from d2a_core.store.lineage import Identity
from d2a_core.store.manifests import RECORD

MEAN_SAMPLES = 10_000  # z drawn for the mean of W where a checkpoint has none
MEAN_SEED = 0


def load(path: str | Path, *, label: int | None = None) -> Checkpoint:
    """Read the exponential-average generator of any known file.

    `label` picks the class of a conditional checkpoint; its embedding becomes a bias of the mapping.
    Raises ValueError, in one sentence with the remedy, for whatever cannot be used.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file; {checkpoint.REMEDIES[0]}")
    with texts.unchanged(path):
        return _load(path, label)


def _load(path: Path, label: int | None) -> Checkpoint:
    content: object
    if weights.is_safetensors(path):
        content, metadata = weights.read_safetensors(path, checkpoint.REMEDIES)
        if metadata and label is not None:
            raise ValueError(
                f"{path} has no classes any more; leave label out, or convert the original again"
            )
        if metadata:
            return checkpoint.parse(path, content, metadata)
    else:
        content = machine.load(path)
    with checkpoint.naming(path):
        found = finding.find(content)
        state = _fold_label(found.state, label)
        architecture = _architecture(state, found.facts)
        state, remarks = _complete(architecture, state)
        stylegan2.check(architecture, state)
        _check_finite(state)
    origin = {"name": path.name, "format": found.layout, "sha256": texts.sha256(path)}
    notes = tuple(f"{path}: {checkpoint.printable(note)}" for note in (*found.notes, *remarks))
    return Checkpoint(architecture, state, origin if label is None else origin | {"label": label}, notes)


def convert(source: str | Path, target: str | Path, *, label: int | None = None) -> Checkpoint:
    """Read `source` as `load` does and write it to `target` as safetensors, atomically."""
    if Path(target).suffix != ".safetensors":
        raise ValueError(f"{target} should end in .safetensors; rename the output")
    loaded = load(source, label=label)
    checkpoint.save(loaded, target)
    return loaded


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


def _architecture(state: State, recorded: Facts) -> Architecture:
    """Shapes from the tensors, the rest as recorded."""
    sides = _sides(state)
    layers = sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in state)
    skip = "synthesis.b4.torgb.weight" in state
    residual = "synthesis.b8.skip.weight" in state
    if "mapping.fc0.weight" not in state:
        raise ValueError(f"it has no mapping from z to w; give {checkpoint.KINDS}")
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


def _check_finite(state: State) -> None:
    """Raise ValueError for weights that are no numbers, as training leaves them when it has diverged."""
    for name, value in state.items():
        if not value.isfinite().all():
            raise ValueError(f"the tensor {name} holds infinite numbers or none; give an earlier checkpoint")


def _complete(architecture: Architecture, state: State) -> tuple[State, tuple[str, ...]]:
    """Add what some files leave out, noise that is off and the mean of W, and say so."""
    shapes = stylegan2.shapes(architecture)
    quiet = {name: torch.zeros(shape) for name, shape in shapes.items() if ".noise_" in name}
    notes = []
    if any(name.endswith(".noise_const") for name in quiet.keys() - state.keys()):
        notes.append("it has no noise maps, so pictures are drawn without noise")
    state = quiet | state
    if MEAN in state and state[MEAN].shape != (architecture.w_dim,):
        notes.append(f"its mean of w has {state[MEAN].numel()} numbers instead of {architecture.w_dim}")
        del state[MEAN]
    if MEAN not in state:
        notes.append(f"it has no mean of w, so that of {MEAN_SAMPLES} samples is taken")
        state[MEAN] = torch.zeros(architecture.w_dim)
        stylegan2.check(architecture, state)
        mapping = stylegan2.build(architecture, state).mapping
        z = torch.randn(MEAN_SAMPLES, architecture.z_dim, generator=torch.Generator().manual_seed(MEAN_SEED))
        with torch.no_grad():
            state[MEAN] = mapping(z).mean(dim=0)
    return state, tuple(notes)


def convert_as(
    source: str | Path, target: str | Path, identity: Identity, *, log: Logger
) -> stylegan2.Architecture:
    """Write the checkpoint `source`, a file or the folder of a download, to `target` for `load`.

    What was left of it or made up for goes to `log`.

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
    for note in found.notes:
        log.warning("%s", note)
    origin = found.origin | {"name": identity.name, "sha256": identity.sha256}
    checkpoint.save(replace(found, origin=origin), target)
    return found.architecture
