"""Read an artefact of any kind as named values, with its provenance beside them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from d2a_core.media import images, video_reading
from d2a_core.store import arrays, provenance, tables, texts, weights
from d2a_core.store.kinds import kind_of

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Content:
    """`values` by name, rows along their first axis, called `noun`; `provenance` by name."""

    values: Mapping[str, NDArray]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    noun: str = "row"


def read(path: Path) -> Content:
    """Read an artefact; raises ValueError where it is damaged."""
    return READERS.get(kind_of(path), _text)(path)


def frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Frames of a video, one at a time."""
    return (frame.image for frame in video_reading.read_frames(path))


def video_facts(path: Path) -> tuple[dict[str, NDArray], dict[str, Any]]:
    """Read the header of a video: facts about its pictures, and its provenance."""
    info = video_reading.probe(path)
    shown = {"width": info.width, "height": info.height, "frames a second": float(info.rate)}
    return _scalars({**shown, "sound": info.has_audio}), _noted(info.metadata)


def _zarr(path: Path) -> Content:
    return Content(arrays.read_zarr(path), _flat(arrays.zarr_attributes(path)))


def _parquet(path: Path) -> Content:
    table = tables.read_parquet(path)
    notes = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    facts = tables.parquet_metadata(path)
    notes.pop(provenance.METADATA_KEY.decode(), None)
    return Content({name: _column(table, name) for name in table.column_names}, _flat({**facts, **notes}))


def _column(table: "pyarrow.Table", name: str) -> NDArray:
    """Turn a column into an array; neither numbers nor lists of numbers become text."""
    from pyarrow import types

    kind, column = table.schema.field(name).type, table[name]
    if types.is_fixed_size_list(kind) and not column.null_count:
        return np.asarray(column.combine_chunks().flatten()).reshape(len(table), kind.list_size)
    if types.is_floating(kind) or (types.is_integer(kind) and not column.null_count):
        return column.to_numpy()
    return np.array([repr(value) for value in column.to_pylist()], dtype=str)


def _checkpoint(path: Path) -> Content:
    state = dict(weights.read_checkpoint(path))
    provenance = _flat(state.pop("provenance", {}))
    return Content(_arrays(state), provenance)


def _safetensors(path: Path) -> Content:
    tensors, metadata = weights.read_safetensors(path)
    return Content(_arrays(tensors), _flat(metadata))


def _picture(path: Path) -> Content:
    return Content({"pixels": images.read_image(path)}, _noted(images.image_text(path)), "line of pixels")


def _json(path: Path) -> Content:
    return Content(_scalars(_flat(texts.read_json(path))))


def _text(path: Path) -> Content:
    """Lines of a text file, or bytes of a file that is no text."""
    data = path.read_bytes()
    try:
        return Content({"text": np.array(data.decode("utf-8").split("\n"), dtype=str)}, noun="line")
    except UnicodeDecodeError:
        return Content({"content": np.frombuffer(data, dtype=np.uint8)}, noun="byte")


def _noted(texts: Mapping[str, str]) -> dict[str, Any]:
    """Notes in a file's header, those that hold JSON by their entries."""
    facts: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            facts |= _flat(json.loads(text), name)
        except ValueError:
            facts[name] = text
    return facts


def _arrays(state: Mapping[str, Any]) -> dict[str, NDArray]:
    """Tensors and plain values of a nested state, by their path in it."""
    import torch

    flat = _flat(state)
    tensors = {
        name: (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        for name, value in flat.items()
        if isinstance(value, torch.Tensor)
    }
    return tensors | _scalars({name: value for name, value in flat.items() if name not in tensors})


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested mappings and lists of mappings, by their path."""
    parts: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping) and value:
        parts = value.items()
    elif isinstance(value, (list, tuple)) and any(isinstance(item, (Mapping, list)) for item in value):
        parts = enumerate(value)
    else:
        return {path: value} if path else {}
    dot = f"{path}." if path else ""
    return {name: leaf for key, part in parts for name, leaf in _flat(part, f"{dot}{key}").items()}


def _scalars(values: Mapping[str, Any]) -> dict[str, NDArray]:
    return {
        name: np.array([value])
        if isinstance(value, (bool, int, float))
        else np.array([json.dumps(value, default=repr, ensure_ascii=False)], dtype=str)
        for name, value in values.items()
    }


READERS: dict[str | None, Callable[[Path], Content]] = {
    "table": _parquet,
    "store": _zarr,
    "checkpoint": _checkpoint,
    "safetensors": _safetensors,
    "picture": _picture,
    "json": _json,
}
