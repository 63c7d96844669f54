"""Find the generator among all that a file may hold: other networks, optimizers, options, an encoder."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from d2a_core.generator.checkpoint import KINDS, State
from d2a_core.generator.layouts import nvidia, rosinality, tensorflow
from d2a_core.generator.layouts.network import MEAN, Network
from d2a_core.generator.unpickling.machine import Record

READERS: dict[str, Callable[[State], Network]] = {  # by a tensor that no other network has
    "synthesis.b4.conv1.weight": nvidia.read_state,
    "conv1.conv.modulation.weight": rosinality.read,
    "style_conv1.modulated_conv.weight": rosinality.read_basicsr,
}
ALIAS_FREE = "synthesis.input.freqs"  # only in a StyleGAN3
MEANS = ("latent_avg", "mean_latent", "w_avg", "dlatent_avg")
AVERAGED = re.compile(r"(?<![a-z])ema(?![a-z])|running|averag")  # names of a generator averaged over training
DEEPEST = 8  # nested containers that are looked into
MAX_NAME = 200  # characters of a key
MAX_TENSORS = 50_000  # ten times those of a StyleGAN2 with its discriminator, encoder and optimizers
SHOWN = 6  # names in a sentence


def find(content: object) -> Network:
    """The generator in what a file unfolds to, the averaged one where there are several.

    It may lie in any container, its names under any prefix. The notes name what is left beside it. Raises
    ValueError where there is none, or more than one and none is the average.
    """
    if isinstance(content, tuple) and len(content) == 3:
        *others, network = map(tensorflow.state_of, content)
        if network is not None and None not in others:
            return tensorflow.read(network)
    modules: dict[str, Record] = {}
    tensors: State = {}
    for name, value in _tensors(content, "", modules):
        tensors[name] = value
        if len(tensors) > MAX_TENSORS:
            raise ValueError(f"it holds more than {MAX_TENSORS} tensors; give {KINDS}")
    places = _places(tensors)
    if not places:
        raise _nothing(content, tensors)
    prefix, read = _choose(places, tensors)
    state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    mean = _mean(tensors, prefix)
    state = {name: value.detach().float() for name, value in state.items() if name not in MEANS}
    module = modules.get(prefix)
    found = nvidia.read(module) if module is not None and read is nvidia.read_state else read(state)
    return replace(
        found,
        state=found.state if mean is None else {MEAN: mean} | found.state,
        notes=(*_left(tensors, prefix), *found.notes),
    )


def _tensors(
    value: object, prefix: str, modules: dict[str, Record], depth: int = 0
) -> Iterator[tuple[str, Tensor]]:
    """Dotted name and tensor of all that lies in nested containers; `modules` takes the pickled modules."""
    items: list[tuple[object, object]] = []
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, (list, tuple)):
        items = list(enumerate(value))
    elif isinstance(value, Record) and nvidia.is_module(value):
        modules[prefix] = value
        items = list(nvidia.flatten(value).items())
    for key, part in items:
        name = f"{prefix}{key}" if len(str(key)) <= MAX_NAME else ""
        if name and isinstance(part, Tensor) and part.is_floating_point():
            yield name, part
        elif name and isinstance(part, np.ndarray) and part.dtype.kind == "f":
            yield name, torch.from_numpy(np.ascontiguousarray(part, np.float32))
        elif name and depth < DEEPEST:
            yield from _tensors(part, f"{name}.", modules, depth + 1)


def _places(tensors: State) -> dict[str, Callable[[State], Network]]:
    """Prefix of each generator's names, and what reads it."""
    return {
        name.removesuffix(marker): read
        for name in tensors
        for marker, read in READERS.items()
        if name == marker or name.endswith(f".{marker}")
    }


def _choose(
    places: dict[str, Callable[[State], Network]], tensors: State
) -> tuple[str, Callable[[State], Network]]:
    """The generator that is averaged over training, or the only one."""
    averaged = [prefix for prefix in places if AVERAGED.search(prefix.lower())]
    first, *others = averaged or list(places)
    if any(not _equal(tensors, first, other) for other in others):
        names = _listed([prefix.removesuffix(".") for prefix in (first, *others)])
        raise ValueError(f"it holds several generators ({names}); save the one to use alone")
    return first, places[first]


def _equal(tensors: State, first: str, second: str) -> bool:
    """Whether two generators of a file are the same under two names."""
    names = [name for name in tensors if name.startswith(first)]
    others = [second + name.removeprefix(first) for name in names]
    return all(
        other in tensors and torch.equal(tensors[name], tensors[other])
        for name, other in zip(names, others, strict=True)
    )


def _mean(tensors: State, prefix: str) -> Tensor | None:
    """The mean of w [D] that lies nearest to the generator: with it, or in a container around it.

    pSp keeps it once for every layer of W+. One that differs from layer to layer is no mean of w.
    """
    parts = prefix.split(".")[:-1]
    scopes = ["".join(f"{part}." for part in parts[:length]) for length in range(len(parts), -1, -1)]
    for name in (f"{scope}{mean}" for scope in scopes for mean in MEANS):
        if name in tensors and tensors[name].ndim and tensors[name].numel():
            rows = tensors[name].detach().float().reshape(-1, tensors[name].shape[-1])
            return rows[0] if torch.allclose(rows, rows[:1]) else None
    return None


def _left(tensors: State, prefix: str) -> tuple[str, ...]:
    """A note on what lies beside the generator, by the first part of its names that differs."""
    parts = prefix.split(".")[:-1]
    left = []
    for name in tensors:
        if not name.startswith(prefix) and name.rpartition(".")[2] not in MEANS:
            others = zip(parts, name.split("."), strict=False)
            left.append(next(other for part, other in others if part != other))
    names = list(dict.fromkeys(left))
    place = prefix.removesuffix(".")
    return (f"its generator is {place}; what lies beside it is left: {_listed(names)}",) if names else ()


def _nothing(content: object, tensors: State) -> ValueError:
    """Why nothing is found, as well as can be said."""
    if isinstance(content, Record):
        nvidia.read(content)
    if isinstance(content, Mapping) and isinstance(content.get("G_ema"), Record):
        nvidia.read(content["G_ema"])
    if any(name.endswith(ALIAS_FREE) for name in tensors):
        return ValueError(f"it holds a generator of StyleGAN3's alias-free kind; give {KINDS}")
    names = [".".join(name.split(".")[:2]) for name in tensors]
    if not names:
        names = list(map(str, content)) if isinstance(content, Mapping) else [type(content).__name__]
    return ValueError(f"there is no StyleGAN2 generator in it, only {_listed(names)}; give {KINDS}")


def _listed(names: list[str]) -> str:
    names = list(dict.fromkeys(filter(None, names)))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(name[:MAX_NAME] for name in names[:SHOWN]) + more
