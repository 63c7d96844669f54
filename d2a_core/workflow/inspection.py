"""Command `d2a inspect`: a readable summary of any artefact of the pipeline."""

import json
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from d2a_core.media import images, recognition
from d2a_core.store import arrays, tables, texts, weights
from d2a_core.store.kinds import KINDS, kind_of
from d2a_core.store.manifests import RECORD

if TYPE_CHECKING:
    import pyarrow
    import zarr

WIDTH = 100  # columns
HEAD_ROWS = 5
MOST_TENSORS = 40


def describe(path: str | Path) -> str:
    """Return the summary of an artefact as lines of at most 100 columns.

    Raises ValueError for a path that does not exist, is of no known type or is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path} does not exist; give a file or folder that the pipeline wrote")
    lines = [str(path), *_describer(path)(path)]
    return "\n".join(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines)


def _describer(path: Path) -> Callable[[Path], list[str]]:
    kind = kind_of(path)
    if path.is_dir():
        if (path / RECORD).is_file():
            return _asset
        if kind == "store" or (path / "zarr.json").is_file():
            return _store
        if recognition.numbered(path):
            return DESCRIBERS["video"]
    elif kind in (None, "picture", "video"):  # a user's file, whose name may say anything
        found = recognition.kind_of_file(path).name
        kind = found if found in DESCRIBERS else kind
    if path.is_file() and kind in DESCRIBERS and kind != "store":
        return DESCRIBERS[kind]
    known = ", ".join(suffix for kind in DESCRIBERS for suffix in KINDS[kind])
    raise ValueError(f"{path} is of no known type; inspect reads {known} and asset folders")


def _columns(rows: Iterable[Iterable[object]]) -> list[str]:
    """Align cells; a column of numbers, known by its first body cell, is flush right."""
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return []
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numeric = [_is_number(cells[-1][index]) for index in range(len(widths))]
    lines = []
    for row in cells:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        lines.append(("  " + "  ".join(padded)).rstrip())
    return lines


def _is_number(cell: str) -> bool:
    return cell.lstrip("-")[:1].isdigit() or cell in ("nan", "inf", "-inf")


def _facts(title: str, facts: Mapping[str, Any]) -> list[str]:
    if not facts:
        return [f"{title}: none"]
    rows = [(name, fact if isinstance(fact, str) else json.dumps(fact)) for name, fact in facts.items()]
    width = max(len(name) for name, _ in rows)
    return [f"{title}:"] + [f"  {name.ljust(width)}  {fact}" for name, fact in rows]


def _number(value: float) -> str:
    return f"{value:.5g}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _table(path: Path) -> list[str]:
    table = tables.read_parquet(path)
    lines = [f"table of {len(table):,} rows, {_bytes(path.stat().st_size)}"]
    if "found" in table.column_names and len(table):
        found = np.count_nonzero(table["found"].to_numpy())
        lines.append(f"found {found:,} of {len(table):,} ({found / len(table):.1%})")
    rows = [("column", "type", "min", "median", "max")]
    rows += [(field.name, _type(field.type), *_range(table[field.name])) for field in table.schema]
    lines += ["columns:", *_columns(rows)]
    lines += _facts("metadata", tables.parquet_metadata(path))
    head = table.slice(0, HEAD_ROWS)
    if len(head):
        cells = [[_cell(value) for value in column.to_pylist()] for column in head.columns]
        lines += ["first rows:", *_columns([table.column_names, *zip(*cells, strict=True)])]
    return lines


def _type(kind: "pyarrow.DataType") -> str:
    import pyarrow

    if pyarrow.types.is_fixed_size_list(kind):
        return f"{kind.value_type}[{kind.list_size}]"
    return str(kind)


def _range(column: "pyarrow.ChunkedArray") -> tuple[str, str, str]:
    """Smallest, middle and largest finite number of a column, lists included."""
    import pyarrow

    while pyarrow.types.is_nested(column.type) and hasattr(column.type, "value_type"):
        column = pyarrow.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    if not (pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)):
        return "", "", ""
    values = column.drop_null().to_numpy().astype(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return "-", "-", "-"
    return _number(values.min()), _number(np.median(values)), _number(values.max())


def _cell(value: object) -> str:
    if isinstance(value, list):
        head = ", ".join(_cell(item) for item in value[:2])
        return f"[{head}, …]" if len(value) > 2 else f"[{head}]"
    text = _number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else text[:23] + "…"


def _store(path: Path) -> list[str]:
    stored = arrays.open_zarr(path)
    rows: list[tuple[object, ...]] = [
        ("array", "shape", "type", "chunks", "min", "mean", "max", "NaN", "on disk", "ratio")
    ]
    for name, array in stored.items():
        bytes_stored = array.nbytes_stored()
        ratio = f"{array.nbytes / bytes_stored:.2f}" if bytes_stored else "-"
        shape, chunks = (_by(sides) for sides in (array.shape, array.chunks))
        cells = (name, shape, str(array.dtype), chunks, *_moments(path, array))
        rows.append((*cells, _bytes(bytes_stored), ratio))
    lines = [f"zarr store of {len(stored)} arrays", *_columns(rows)]
    return lines + _facts("attributes", arrays.zarr_attributes(path))


def _by(sides: tuple[int, ...]) -> str:
    return "×".join(map(str, sides)) or "scalar"


def _moments(path: Path, array: "zarr.Array") -> tuple[str, str, str, str]:
    """Min, mean and max without NaN, and the count of NaN, one chunk of rows at a time."""
    least, most, total, count, missing = np.inf, -np.inf, 0.0, 0, 0
    for block in arrays.zarr_blocks(path, array):
        values = block[~np.isnan(block)] if block.dtype.kind == "f" else block
        missing += block.size - values.size
        if values.size:
            least, most = min(least, values.min()), max(most, values.max())
            total, count = total + values.sum(dtype=np.float64), count + values.size
    if not count:
        return "-", "-", "-", str(missing)
    return _number(float(least)), _number(total / count), _number(float(most)), str(missing)


def _checkpoint(path: Path) -> list[str]:
    return _state(weights.read_checkpoint(path), path)


def _safetensors(path: Path) -> list[str]:
    state, metadata = weights.read_safetensors(path)
    return [*_state(state, path), *_facts("metadata", metadata)]


def _state(content: Mapping[str, Any], path: Path) -> list[str]:
    """Tensors and plain values of a checkpoint."""
    tensors, plain = [], {}
    for name, value in _leaves(content, ""):
        if hasattr(value, "numel"):
            tensors.append((name, _by(tuple(value.shape)), str(value.dtype), f"{value.numel():,}"))
        else:
            plain[name] = str(value)
    count = sum(int(row[3].replace(",", "")) for row in tensors)
    size = _bytes(path.stat().st_size)
    lines = [f"checkpoint of {len(tensors)} tensors, {count:,} numbers, {size}"]
    if tensors:
        shown = tensors[:MOST_TENSORS]
        lines += _columns([("tensor", "shape", "type", "numbers"), *shown])
    if len(tensors) > MOST_TENSORS:
        lines.append(f"  … and {len(tensors) - MOST_TENSORS} more")
    return lines + (_facts("values", plain) if plain else [])


def _leaves(value: Any, name: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _picture(path: Path) -> list[str]:
    height, width, _ = images.read_image(path).shape
    line = f"picture of {width}×{height} pixels, {_bytes(path.stat().st_size)}"
    return [line, *_facts("text", images.image_text(path))]


def _video(path: Path) -> list[str]:
    import av

    from d2a_core.media import picture_clips, video_reading

    if picture_clips.opened(path) is not None:
        clip = video_reading.probe(path)
        rate = f"{float(clip.rate):.5g} fps, {clip.frames} frames, {clip.duration_s:.2f} s"
        return [f"pictures that move, {clip.width}×{clip.height}, {rate}"]
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            lines = [f"video, {_bytes(path.stat().st_size)}"]
            for stream in container.streams:
                lines.append(f"  {stream.type}: {_stream(stream, _duration(container, stream))}")
            return lines + _facts("metadata", dict(container.metadata))
    except av.FFmpegError as error:
        raise ValueError(
            f"{path} cannot be read as a video ({error.strerror}); give an intact file"
        ) from error


def _duration(container: Any, stream: Any) -> Fraction:
    """Seconds; some formats note them for the whole file only."""
    if stream.duration:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, 1_000_000)


def _stream(stream: Any, length: Fraction) -> str:
    codec = stream.codec_context
    if codec is None:
        return "of a coding that is not known here"
    if stream.type == "video":
        rate = stream.average_rate or Fraction(0)
        frames = stream.frames or round(length * rate)
        return (
            f"{codec.width}×{codec.height}, {float(rate):.5g} fps, {frames} frames, "
            f"{float(length):.2f} s, {codec.name}"
        )
    if stream.type == "audio":
        return f"{codec.name}, {codec.sample_rate} Hz, {codec.layout.name}, {float(length):.2f} s"
    return f"{float(length):.2f} s"


def _asset(path: Path) -> list[str]:
    record = texts.read_json(path / RECORD)
    files = record.pop("files", {})
    rows = [("file", "bytes", "sha256")]
    for name, facts in files.items():
        rows.append((name, f"{facts['bytes']:,}", facts["sha256"][:16] + "…"))
    return ["asset folder", *_columns(rows), *_facts("record", record)]


DESCRIBERS: dict[str, Callable[[Path], list[str]]] = {
    "table": _table,
    "store": _store,
    "checkpoint": _checkpoint,
    "safetensors": _safetensors,
    "picture": _picture,
    "video": _video,
}
