"""Small StyleGAN2 generators, in files as the programs of others would have written them."""

import collections
import io
import pickle
import sys

import genuine_checkpoints as genuine
import numpy as np
import torch

from d2a_core.generator import stylegan2

TAPS = (0.125, 0.375, 0.375, 0.125)
CLASSES = {
    stylegan2.Network: "Generator",
    stylegan2.MappingNetwork: "MappingNetwork",
    stylegan2.SynthesisNetwork: "SynthesisNetwork",
    stylegan2.Block: "SynthesisBlock",
    stylegan2.Dense: "FullyConnectedLayer",
    stylegan2.StyledConv: "SynthesisLayer",
    stylegan2.ToRgb: "ToRGBLayer",
    stylegan2.Shortcut: "Conv2dLayer",
}


def network(seed=0, **changes):
    """A generator of random weights, 32 px unless `changes` say otherwise."""
    small = {"resolution": 32, "channels": (8, 8, 6, 5), "z_dim": 7, "w_dim": 9, "mapping_width": 9}
    rest = {"mapping_layers": 3, "resample_filter": TAPS}
    architecture = stylegan2.Architecture(**(small | rest | changes))
    rng = torch.Generator().manual_seed(seed)
    shapes = stylegan2.shapes(architecture)
    return stylegan2.build(architecture, {n: torch.randn(s, generator=rng) for n, s in shapes.items()})


def nvidia(generator, *, change=None, plain=False, protocol=4):
    """A snapshot of stylegan2-ada-pytorch; `change` may edit the tree of states before it is written.

    `plain` pickles the modules by their class alone, as was done before their source went in.
    """
    root = _state(generator, generator.architecture)
    if change is not None:
        change(root)
    with genuine.modules(
        torch_utils__persistence__rebuild=genuine.rebuild, dnnlib__util__EasyDict=genuine.EasyDict
    ):
        sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj = genuine.rebuild
        genuine.rebuild.__qualname__ = genuine.rebuild.__name__ = "_reconstruct_persistent_obj"
        snapshot = {"G": None, "D": None, "G_ema": _persistent(root), "augment_pipe": None}
        return pickle.dumps(snapshot, protocol=protocol)


def _state(module, architecture):
    """Class name and attributes of a module as NVIDIA's class has them, children in `_modules`."""
    state = {"training": False, "_init_args": (), "_init_kwargs": genuine.EasyDict()}
    state["_parameters"] = collections.OrderedDict(module.named_parameters(recurse=False))
    state["_buffers"] = collections.OrderedDict(
        (name, value) for name, value in module.named_buffers(recurse=False) if name != "kernel"
    )
    if isinstance(module, stylegan2.Dense):
        state |= {"bias_gain": module.lr_multiplier, "weight_gain": module.gain}
        state["activation"] = "linear" if module.lr_multiplier == 1 else "lrelu"
    if isinstance(module, (stylegan2.StyledConv, stylegan2.ToRgb)):
        state |= {"conv_clamp": module.clamp}
    if isinstance(module, stylegan2.StyledConv):
        state |= {"activation": "lrelu", "use_noise": True, "up": 1 + module.up}
    if isinstance(module, stylegan2.Block):
        state |= {"use_fp16": module.in_half, "architecture": architecture.synthesis}
    if isinstance(module, (stylegan2.Block, stylegan2.StyledConv, stylegan2.Shortcut)):
        state["_buffers"]["resample_filter"] = torch.outer(torch.tensor(TAPS), torch.tensor(TAPS))
    state["_modules"] = collections.OrderedDict(
        (name, _state(child, architecture)) for name, child in module.named_children()
    )
    return {"class_name": CLASSES[type(module)], "state": state}


def _persistent(tree):
    children = tree["state"]["_modules"]
    state = tree["state"] | {
        "_modules": collections.OrderedDict((name, _persistent(child)) for name, child in children.items())
    }
    return genuine.Persistent(tree["class_name"], state)


def child(tree, path):
    """State of the module at a dotted path of the tree that `nvidia` lets one change."""
    for name in path.split("."):
        tree = tree["state"]["_modules"][name]
    return tree["state"]


def tensorflow(generator, *, change=None, protocol=4):
    """The three networks of stylegan2 for TensorFlow; `change` may edit options and variables."""
    a, state = generator.architecture, {n: v.numpy() for n, v in generator.state_dict().items()}
    options = {"resolution": a.resolution, "label_size": 0, "mapping_layers": a.mapping_layers}
    options |= {"architecture": a.synthesis, "conv_clamp": a.conv_clamp, "num_fp16_res": a.fp16_blocks}
    parts = {"": [], "mapping": [], "synthesis": []}
    for name, value in state.items():
        part, variable, value = _variable(name, value)
        parts[part].append((variable, value))
    if change is not None:
        change(options, parts)
    with genuine.modules(dnnlib__tflib__network__Network=genuine.Network):
        components = {name: _tensorflow_network(name, options, {}, parts[name]) for name in parts if name}
        average = _tensorflow_network("Gs", options, components, parts[""])
        other = _tensorflow_network("D", {}, {}, [])
        return pickle.dumps((other, other, average), protocol=protocol)


def _tensorflow_network(name, options, components, variables):
    return genuine.Network(
        version=4,
        name=name,
        static_kwargs=options,
        components=components,
        build_module_src=genuine.SOURCE,
        build_func_name=name,
        variables=variables,
    )


def _variable(name, value):
    """Network, name and value of the TensorFlow variable for a tensor of ours."""
    if name == "mapping.w_avg":
        return "", "dlatent_avg", value
    owner, _, kind = name.rpartition(".")
    if owner.startswith("mapping"):
        return "mapping", f"Dense{owner[-1]}/{kind}", value.T
    if kind == "const":
        return "synthesis", "4x4/Const/const", value[None]
    block, layer, *affine = owner.split(".")[1:]
    side = int(block[1:])
    number = 2 * side.bit_length() - 6 if layer == "conv1" else 2 * side.bit_length() - 7
    if kind == "noise_const":
        return "synthesis", f"noise{number}", value[None, None]
    scopes = {
        "conv0": "Conv0_up",
        "conv1": "Conv" if side == 4 else "Conv1",
        "torgb": "ToRGB",
        "skip": "Skip",
    }
    if affine:
        kind, value = ("mod_weight", value.T) if kind == "weight" else ("mod_bias", value - 1)
    elif kind == "weight":
        value = np.ascontiguousarray(value.transpose(2, 3, 1, 0))
        value = value[::-1, ::-1] if layer in ("conv0", "skip") else value
    return "synthesis", f"{side}x{side}/{scopes[layer]}/{kind}", value


def rosinality(generator, *, mean=True, change=None):
    """A checkpoint of stylegan2-pytorch by rosinality, which knows the `skip` network only."""
    weights = rosinality_state(generator)
    if change is not None:
        change(weights)
    return saved({"g_ema": weights} | ({"latent_avg": mean_of(generator)} if mean else {"args": None}))


def saved(content, **options):
    """Bytes of what `torch.save` makes of `content`."""
    sink = io.BytesIO()
    torch.save(content, sink, **options)
    return sink.getvalue()


def mean_of(generator):
    """The mean of w as rosinality's code has it beside the weights."""
    return generator.mapping.w_avg.clone()


def rosinality_state(generator):
    """State dict of rosinality's generator."""
    state = dict(generator.state_dict())
    del state["mapping.w_avg"]
    weights = dict(_rosinality_tensor(name, value) for name, value in state.items())
    kernel = torch.outer(torch.tensor(TAPS), torch.tensor(TAPS))
    for index in range(len(generator.architecture.channels) - 1):
        weights[f"convs.{2 * index}.conv.blur.kernel"] = 4 * kernel
        weights[f"to_rgbs.{index}.upsample.kernel"] = 4 * kernel
    return weights


def basicsr_state(generator):
    """State dict of BasicSR's generator: rosinality's under other names, without kernels."""
    layers = {"conv1": "style_conv1", "convs": "style_convs", "style": "style_mlp"}
    renamed = {}
    for name, value in rosinality_state(generator).items():
        first, *rest = name.split(".")
        if name == "input.input":
            renamed["constant_input.weight"] = value
        elif first == "noises":
            renamed[f"noises.{rest[0].replace('_', '')}"] = value
        elif not name.endswith(".kernel"):
            if "noise" in rest:
                rest.remove("noise")
            rest = ["modulated_conv" if part == "conv" else part for part in rest]
            renamed[".".join([layers.get(first, first), *rest])] = value
    return renamed


def nvidia_state(generator):
    """State dict of NVIDIA's generator, which holds the filters."""
    filters = {
        f"synthesis.b{side}.{layer}.resample_filter": torch.outer(torch.tensor(TAPS), torch.tensor(TAPS))
        for side in generator.architecture.resolutions
        for layer in ("conv0", "conv1")
    }
    return dict(generator.state_dict()) | filters


def under(prefix, state):
    """A state dict whose names begin with `prefix`."""
    return {f"{prefix}{name}": value for name, value in state.items()}


def _rosinality_tensor(name, value):
    owner, _, kind = name.rpartition(".")
    if owner.startswith("mapping"):
        return f"style.{int(owner[-1]) + 1}.{kind}", value
    if kind == "const":
        return "input.input", value[None]
    block, layer, *affine = owner.split(".")[1:]
    depth = int(block[1:]).bit_length() - 3  # 0 at 4 px
    number = 2 * depth - (layer == "conv0")
    if kind == "noise_const":
        return f"noises.noise_{number}", value[None, None]
    if layer == "torgb":
        place = f"to_rgbs.{depth - 1}" if depth else "to_rgb1"
    else:
        place = f"convs.{number - 1}" if number else "conv1"
    if affine:
        return f"{place}.conv.modulation.{kind}", value
    if kind == "weight":
        return f"{place}.conv.weight", value[None]
    if kind == "noise_strength":
        return f"{place}.noise.weight", value[None]
    return (
        (f"{place}.bias", value[None, :, None, None])
        if layer == "torgb"
        else (f"{place}.activate.bias", value)
    )
