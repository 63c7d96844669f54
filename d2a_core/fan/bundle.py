"""The bundle: all that the training stages distil from a generator, in one small file.

Weight matrices are kept in eight bits, a scale a row; what follows from other parts is left out and comes
back when the bundle is unpacked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions import directions
from d2a_core.store import arrays, lineage, tables, weights

FORMAT = 1  # raised when an older version could not unpack a bundle
STORES = ("draft", "reference", "directions")
NETWORKS = ("fan", "encoder")
SMALLEST = 4096  # numbers of a matrix that is worth rounding
SCALE = ":scale"  # end of the name of the scales of the rows of a matrix of bytes
HALVED = ("axes", "colour")  # coordinates of W: rounded to bytes they would no longer be at right angles
LEVELS = 127
VECTOR, CATALOGUE = "directions.vector", "catalogue"  # names of tensors


@dataclass(frozen=True)
class Bundle:
    """Parts of a bundle.

    `stores` are arrays by name and `networks` checkpoints, see `STORES` and `NETWORKS`; `catalogue` is the
    table of directions. `facts` holds the provenance of each part by its name.
    """

    stores: Mapping[str, Mapping[str, NDArray]]
    networks: Mapping[str, Mapping[str, Any]]
    catalogue: pyarrow.Table
    facts: Mapping[str, Mapping[str, Any]]


def gather(paths: Mapping[str, str | Path]) -> Bundle:
    """Read the parts from what the stages left; raises ValueError unless one generator has made them all."""
    lineage.shared(paths.values())
    return Bundle(
        {name: arrays.read_zarr(paths[name]) for name in STORES},
        {name: weights.read_checkpoint(paths[name]) for name in NETWORKS},
        tables.read_parquet(paths["catalogue"]),
        {name: lineage.facts(path) for name, path in paths.items()},
    )


def write(bundle: Bundle, path: str | Path, facts: Mapping[str, Any]) -> None:
    """Write a bundle as safetensors; `facts` stand in its metadata."""
    tensors = {CATALOGUE: torch.frombuffer(bytearray(tables.to_bytes(bundle.catalogue)), dtype=torch.uint8)}
    for name, store in bundle.stores.items():
        tensors |= {f"{name}.{key}": torch.from_numpy(value) for key, value in store.items()}
    layers = tensors[VECTOR].shape[1]
    tensors[VECTOR] = tensors[VECTOR][:, 0].half()  # the same in every layer
    for name, network in bundle.networks.items():
        for key, value in network["state"].items():
            tensors |= {f"{name}.{part}": rounded for part, rounded in _rounded(key, value).items()}
    metadata = {
        **facts,
        "format": FORMAT,
        "layers": layers,
        "architectures": {name: network["architecture"] for name, network in bundle.networks.items()},
        "states": {name: list(network["state"]) for name, network in bundle.networks.items()},
        "facts": bundle.facts,
    }
    weights.write_safetensors(tensors, path, metadata=metadata)


def _rounded(name: str, value: Tensor) -> dict[str, Tensor]:
    """Tensors to store for one of a network's state, none for what `_restored` makes anew."""
    if _leaf(name) in ("vector", "whiten"):
        return {}
    if not value.is_floating_point() or value.ndim < 2 or value.numel() < SMALLEST:
        return {name: value}
    if _leaf(name) in HALVED:
        return {name: value.half()}
    rows = value.flatten(1)
    scale = rows.abs().amax(dim=1).clamp(min=1e-12) / LEVELS
    return {name: (rows / scale[:, None]).round().to(torch.int8).reshape(value.shape), name + SCALE: scale}


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]


def read(path: str | Path) -> Bundle:
    """Read a bundle; raises ValueError for a file that is none, or one of a later version."""
    tensors, metadata = weights.read_safetensors(path)
    if "architectures" not in metadata:
        raise ValueError(f"{path} is no bundle of d2animator; set fan.weights to train, or name another file")
    if metadata["format"] > FORMAT:
        raise ValueError(f"{path} was written by a later version of d2animator; update the project")
    tensors[VECTOR] = tensors[VECTOR].float()[:, None].repeat(1, metadata["layers"], 1)
    stores = {name: {key: value.numpy() for key, value in _part(tensors, name).items()} for name in STORES}
    networks = {}
    for name in NETWORKS:
        stored, names = _part(tensors, name), metadata["states"][name]
        networks[name] = {
            "architecture": metadata["architectures"][name],
            "state": {key: _restored(key, stored, stores["directions"]) for key in names},
        }
    catalogue = tables.from_bytes(tensors[CATALOGUE].numpy().tobytes())
    return Bundle(stores, networks, catalogue, metadata["facts"])


def _part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _restored(name: str, stored: Mapping[str, Tensor], store: Mapping[str, NDArray]) -> Tensor:
    """One tensor of a network's state from what `_rounded` has kept, and the `store` of directions."""
    if _leaf(name) == "vector":
        return torch.from_numpy(directions.basis(store))
    if _leaf(name) == "whiten":
        # the rows of colour are the principal axes of w times their deviations; over the square, the inverse
        colour = stored[name.removesuffix("whiten") + "colour"].float()
        return (colour / colour.square().sum(dim=1, keepdim=True)).T.contiguous()
    value = stored[name]
    if name + SCALE in stored:
        value = (value.flatten(1) * stored[name + SCALE][:, None]).reshape(value.shape)
    return value.float() if value.is_floating_point() else value


def scatter(bundle: Bundle, paths: Mapping[str, str | Path], facts: Mapping[str, Any]) -> None:
    """Write the parts of a bundle as the stages would have left them; `facts` are added to those of each."""
    for name in STORES:
        arrays.write_zarr(paths[name], bundle.stores[name], attributes={**bundle.facts[name], **facts})
    for name in NETWORKS:
        kept = {**bundle.networks[name], "provenance": {**bundle.facts[name], **facts}}
        weights.write_checkpoint(kept, paths[name])
    given = {**bundle.facts["catalogue"], **facts}
    tables.write_parquet(bundle.catalogue, paths["catalogue"], metadata=given)


def check(bundle: Bundle, path: str | Path, *, generator_sha256: str | None, detector: str) -> None:
    """Raise ValueError unless a bundle was distilled from that generator, with that detector."""
    made = bundle.facts["fan"]
    if generator_sha256 and made["generator_sha256"] != generator_sha256:
        raise ValueError(
            f"{path} was distilled from the generator {made['generator']} "
            f"({made['generator_sha256'][:12]}), not from this one ({generator_sha256[:12]}); "
            "set fan.weights to train"
        )
    if made["detector"] != detector:
        raise ValueError(
            f"{path} was distilled with the landmark detector {made['detector']}, not with {detector}; "
            "set fan.weights to train, or landmarks.detector back"
        )
