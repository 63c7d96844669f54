"""Generators of rosinality's PyTorch code, which pSp and e4e carry on, and of BasicSR, which renamed it.

Both draw RGB in every block (`skip`) and scale their weights as NVIDIA does.
"""

import re

from torch import Tensor

from d2a_core.generator.checkpoint import State
from d2a_core.generator.layouts.network import LR_MULTIPLIER, Facts, Network, noise_layer, pop_taps

TENSORS = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}
BASICSR = (  # patterns of BasicSR's names, and what makes rosinality's of them
    (r"^style_mlp\.", "style."),
    (r"^constant_input\.weight$", "input.input"),
    (r"^(style_conv1|style_convs\.\d{1,2})\.weight$", r"\1.noise.weight"),
    (r"^style_conv", "conv"),
    (r"\.modulated_conv\.", ".conv."),
    (r"^noises\.noise(?=\d)", "noises.noise_"),
)
CLEAN = "style_conv1.bias"  # BasicSR's has activate.bias there


def read(state: State) -> Network:
    """A state dict with rosinality's names; the learning rate's multiplier is not recorded."""
    tensors = dict(state)
    taps = pop_taps(tensors, ".kernel")
    translated = {}
    for name, value in tensors.items():
        name = _translate(name)
        translated[name] = _without_unit_axes(name, value)
    return Network("rosinality", translated, Facts(LR_MULTIPLIER, taps))


def read_basicsr(state: State) -> Network:
    """A state dict with BasicSR's names; raises ValueError for GFPGAN's network, whose names are alike."""
    if CLEAN in state:
        raise ValueError(
            "its generator is the simplified one of GFPGAN, which draws otherwise; give a StyleGAN2 itself"
        )
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in BASICSR:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    found = read(renamed)
    return Network("basicsr", found.state, found.facts)


def _without_unit_axes(name: str, value: Tensor) -> Tensor:
    """Kernels are [1, O, I, k, k] there, noise [1, 1, S, S], its strength [1], biases [C] or [1, C, 1, 1]."""
    kind = name.rpartition(".")[2]
    if kind == "bias":
        return value.flatten()
    axes = {"const": 3, "noise_const": 2, "noise_strength": 0}.get(kind, min(value.ndim, 4))
    return value.reshape(value.shape[value.ndim - axes :])


def _translate(name: str) -> str:
    """NVIDIA's name of a tensor; an unknown name stays and is refused with the shapes."""
    if name == "input.input":
        return "synthesis.b4.const"
    if found := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name):
        return f"mapping.fc{int(found[1]) - 1}.{found[2]}"
    if found := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        return f"{noise_layer(int(found[1]))}.noise_const"
    found = re.fullmatch(r"(conv1|convs\.(\d{1,2})|to_rgb1|to_rgbs\.(\d{1,2}))\.(.+)", name)
    if not found or found[4] not in TENSORS:
        return name
    tensor = TENSORS[found[4]]
    if found[1].startswith("to_rgb"):
        return f"synthesis.b{4 if found[3] is None else 8 << int(found[3])}.torgb.{tensor}"
    return f"{noise_layer(0 if found[2] is None else int(found[2]) + 1)}.{tensor}"
