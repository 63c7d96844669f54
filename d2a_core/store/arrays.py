"""Read and write zarr stores."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from d2a_core.store import manifests
from d2a_core.store.atomic import atomic_path

if TYPE_CHECKING:
    import zarr
ZSTD_LEVEL = 3


def write_zarr(
    path: str | Path,
    arrays: Mapping[str, NDArray],
    *,
    attributes: Mapping[str, Any],
    chunk_rows: int = 64,
) -> None:
    """Write a zarr v3 group; each chunk holds `chunk_rows` rows of axis 0 and all of the others.

    Consolidated metadata name the arrays, so that zarr lists them without a look into the folder, where it
    would warn about the manifest and about Snakemake's time stamp.
    """
    import zarr
    from zarr.codecs import ZstdCodec

    with atomic_path(path) as part:
        group = zarr.open_group(part, mode="w", zarr_format=3, attributes=dict(attributes))
        for name, array in arrays.items():
            rows = min(chunk_rows, *array.shape[:1]) if array.ndim else 1
            group.create_array(
                name,
                data=np.asarray(array),
                chunks=tuple(max(1, side) for side in (rows, *array.shape[1:]))[: array.ndim],
                compressors=ZstdCodec(level=ZSTD_LEVEL, checksum=True),
                # zarr reads a lost chunk as zeros; writing all of them tells lost from zero
                config={"write_empty_chunks": True},
            )
        with warnings.catch_warnings():  # readers that do not know consolidated metadata pass over them
            warnings.filterwarnings("ignore", "Consolidated metadata")
            zarr.consolidate_metadata(part)


def open_zarr(path: str | Path) -> dict[str, "zarr.Array"]:
    """Return the arrays of a store by name, unread; raises ValueError when one is damaged."""
    import zarr

    path = Path(path)
    with manifests.reading(path):
        # what is there counts, not what the consolidated metadata say of it
        group = zarr.open_group(path, mode="r", use_consolidated=False)
        # names from the folder, not from zarr, which warns about every hidden file it meets
        names = sorted(child.name for child in path.iterdir() if _is_array(child))
        arrays = {name: array for name in names if isinstance(array := group[name], zarr.Array)}
        for name, array in arrays.items():
            lost = array.nchunks - array.nchunks_initialized if array.size else 0
            if lost:
                raise ValueError(f"{lost} of {array.nchunks} chunks of {name} are missing")
    return arrays


def _is_array(child: Path) -> bool:
    return child.is_dir() and not child.name.startswith(".")


def read_zarr(path: str | Path, names: Iterable[str] | None = None) -> dict[str, NDArray]:
    """Read the arrays `names`, or all; raises ValueError when one is missing or damaged."""
    arrays = open_zarr(path)
    chosen = arrays if names is None else {name: _named(path, arrays, name) for name in names}
    with manifests.reading(Path(path), compare=False):  # `open_zarr` has
        return {name: np.asarray(array[...]) for name, array in chosen.items()}


def _named(path: str | Path, arrays: Mapping[str, "zarr.Array"], name: str) -> "zarr.Array":
    if name not in arrays:
        raise ValueError(
            f"{path} has no array {name!r} but {', '.join(arrays)}; delete it and snakemake recomputes it"
        )
    return arrays[name]


def zarr_blocks(path: str | Path, array: "zarr.Array") -> Iterator[NDArray]:
    """Read an array of `open_zarr(path)` one chunk of rows at a time."""
    rows = array.chunks[0] if array.ndim else 1
    for start in range(0, array.shape[0] if array.ndim else 1, rows):
        with manifests.reading(Path(path), compare=False):  # `open_zarr` has
            block = np.asarray(array[start : start + rows] if array.ndim else array[...])
        yield block


def read_rows(paths: Iterable[str | Path], name: str, count: int) -> Iterator[NDArray]:
    """Read an array of several stores as if it were one, `count` rows at a time; the last may be fewer.

    Of the stores one chunk is in memory, and what is left of the one before. Raises ValueError when an array
    is missing or damaged.
    """
    rest: NDArray | None = None
    for path in paths:
        for block in zarr_blocks(path, _named(path, open_zarr(path), name)):
            rest = block if rest is None else np.concatenate((rest, block))
            while len(rest) >= count:
                yield rest[:count]
                rest = rest[count:]
    if rest is not None and len(rest):
        yield rest


def zarr_attributes(path: str | Path) -> dict[str, Any]:
    """Read the attributes of a store; raises ValueError when it is missing or damaged."""
    import zarr

    with manifests.reading(Path(path)):
        return dict(zarr.open_group(Path(path), mode="r").attrs)


def read_zarrs(paths: Iterable[str | Path], names: Iterable[str]) -> dict[str, NDArray]:
    """Read the arrays `names` of several stores, joined along their first axis."""
    names = list(names)
    stores = list(read_each(paths, names))
    return {name: np.concatenate([store[name] for store in stores]) for name in names}


def read_each(paths: Iterable[str | Path], names: Iterable[str]) -> Iterator[dict[str, NDArray]]:
    """Read the arrays `names` of several stores, one mapping a store as it is asked for."""
    names = list(names)
    return (read_zarr(path, names) for path in paths)
