"""Generators of NVIDIA's PyTorch code, as pickled modules or as the state dicts of such."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from d2a_core.generator.checkpoint import KINDS, State
from d2a_core.generator.layouts.network import LR_MULTIPLIER, Facts, Network, pop_taps
from d2a_core.generator.unpickling.machine import Record

FILTER = ".resample_filter"
PARTS = ("_modules", "_parameters", "_buffers")


def read(record: object) -> Network:
    """A pickled module tree: each module records what its constructor was given."""
    modules = dict(_modules(record, ""))
    name = modules[""][0]
    synthesis: tuple[str | None, Mapping[str, Any]] = modules.get("synthesis", (None, {}))
    if "synthesis.b4" not in modules or "mapping.fc0" not in modules:
        what = " with a ".join(filter(None, (name, synthesis[0])))
        layers = synthesis[1].get("layer_names", ())
        kind = " of StyleGAN3's alias-free kind" if layers else ""
        raise ValueError(f"it holds a {what}{kind}, not a StyleGAN2 generator; give {KINDS}")
    facts = {path: state for path, (_, state) in modules.items()}
    tensors = flatten(record)
    return Network("nvidia", tensors, _facts(facts, pop_taps(tensors, FILTER)))


def read_state(tensors: State) -> Network:
    """A state dict, which records no facts: what all published networks share is taken."""
    tensors = dict(tensors)
    taps = pop_taps(tensors, FILTER)
    note = "a state dict does not say how far activations are clamped; they are not"
    return Network("nvidia", tensors, Facts(LR_MULTIPLIER, taps), (note,))


def is_module(value: object) -> bool:
    """Whether a value is a pickled module of PyTorch."""
    return _contents(value)[1] is not None


def flatten(record: object) -> State:
    """State dict of a pickled module, float32."""
    tensors = {}
    for path, (_, state) in _modules(record, ""):
        for name, value in (*state["_parameters"].items(), *state["_buffers"].items()):
            if isinstance(value, Tensor) and value.is_floating_point():
                tensors[f"{path}.{name}" if path else str(name)] = value.detach().float()
    return tensors


def _facts(facts: Mapping[str, Mapping[str, Any]], taps: tuple[float, ...]) -> Facts:
    layers = {path: state for path, state in facts.items() if re.search(r"\.(fc|conv)\d+$", path)}
    activation = _single("activation", (state.get("activation") for state in layers.values()), "lrelu")
    if activation != "lrelu":
        raise ValueError(f"its activation is {activation!r}; give a checkpoint with 'lrelu'")
    dense = (state.get("bias_gain") for path, state in facts.items() if path.startswith("mapping.fc"))
    clamps = (state.get("conv_clamp") for path, state in layers.items() if ".conv" in path)
    halves = (
        state.get("use_fp16") for path, state in facts.items() if re.fullmatch(r"synthesis\.b\d+", path)
    )
    return Facts(
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
    name, state = _contents(record)
    if state is None:
        raise ValueError(f"its {name or type(record).__name__} is not a network of PyTorch; give {KINDS}")
    yield path, (str(name), state)
    for child, value in state["_modules"].items():
        if value is not None:
            yield from _modules(value, f"{path}.{child}" if path else child)


def _contents(record: object) -> tuple[object, Mapping[str, Any] | None]:
    """Class name and state of a module, pickled with its source (`torch_utils.persistence`) or without.

    The state is None for what is no module, the name None where it has none.
    """
    name: object = None
    state: object = None
    if isinstance(record, Record):
        name, state = record.name, record.state
        if record.args and isinstance(record.args[0], Mapping) and "class_name" in record.args[0]:
            name, state = record.args[0]["class_name"], record.args[0].get("state")
    if isinstance(state, Mapping) and all(isinstance(state.get(part), Mapping) for part in PARTS):
        return name, state
    return name, None
