"""Read and write Parquet tables."""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from d2a_core.store import manifests, provenance
from d2a_core.store.atomic import atomic_path

if TYPE_CHECKING:
    import pyarrow


def write_parquet(
    table: "pyarrow.Table | Mapping[str, Any]", path: str | Path, *, metadata: Mapping[str, Any]
) -> None:
    """Write a table or a mapping of columns; `metadata` goes in as JSON, key `d2animator`."""
    import pyarrow
    from pyarrow import parquet

    if not isinstance(table, pyarrow.Table):
        table = pyarrow.table(dict(table))
    known = table.schema.metadata or {}
    table = table.replace_schema_metadata({**known, provenance.METADATA_KEY: json.dumps(dict(metadata))})
    with atomic_path(path) as part:
        parquet.write_table(table, part, compression="zstd")


def read_parquet(path: str | Path) -> "pyarrow.Table":
    """Read a table; raises ValueError when it is missing or damaged."""
    from pyarrow import parquet

    with manifests.reading(Path(path)):
        # as one file: otherwise a folder named like `source=me` would become a column
        with parquet.ParquetFile(Path(path)) as file:
            return file.read()


def to_bytes(table: "pyarrow.Table") -> bytes:
    """A table as the bytes of a Parquet file, to be kept in another one."""
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def from_bytes(stored: bytes) -> "pyarrow.Table":
    """Inverse of `to_bytes`."""
    from pyarrow import parquet

    return parquet.read_table(io.BytesIO(stored))


def read_driving(path: str | Path) -> tuple["pyarrow.Table", dict[str, Any]]:
    """Read a landmark table that a user gives as a clip, and its metadata, {} where it has none."""
    from pyarrow import parquet

    remedy = "give a table as `track_driving` writes it, results/driving/<clip>.parquet"
    with manifests.reading(Path(path), (remedy, remedy)):
        with parquet.ParquetFile(Path(path)) as file:
            table = file.read()
        return table, json.loads((table.schema.metadata or {}).get(provenance.METADATA_KEY, b"{}"))


def parquet_metadata(path: str | Path) -> dict[str, Any]:
    """Read what `write_parquet` got as `metadata`; {} for a table of another program."""
    from pyarrow import parquet

    with manifests.reading(Path(path)):
        schema = parquet.read_schema(Path(path))
        return json.loads((schema.metadata or {}).get(provenance.METADATA_KEY, b"{}"))


def points_column(points: NDArray) -> "pyarrow.FixedSizeListArray":
    """Pack landmarks [N, P, 2] into a column of lists (x0, y0, x1, …) of 2P float32."""
    import pyarrow

    if points.ndim != 3 or points.shape[2] != 2:
        raise ValueError(f"landmarks have the shape [N, P, 2], not {list(points.shape)}")
    flat = np.ascontiguousarray(points, dtype=np.float32).reshape(-1)
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat), 2 * points.shape[1])


def points_array(table: "pyarrow.Table", column: str = "points") -> NDArray[np.float32]:
    """Unpack a column of `points_column` into [N, P, 2]."""
    import pyarrow

    if column not in table.column_names:
        raise ValueError(f"the table has no column {column!r} but {', '.join(table.column_names)}")
    kind = table.schema.field(column).type
    if not pyarrow.types.is_fixed_size_list(kind) or table[column].null_count:
        raise ValueError(f"the column {column!r} ({kind}) does not hold one list of points a row")
    flat = np.array(table[column].combine_chunks().flatten(), dtype=np.float32)
    return flat.reshape(len(table), kind.list_size // 2, 2)


def angles_array(table: "pyarrow.Table") -> NDArray[np.float32]:
    """Yaw, pitch and roll of a landmark table in degrees, [N, 3]."""
    return np.stack([table.column(name).to_numpy() for name in ("yaw", "pitch", "roll")], axis=1)


def read_parquets(paths: Iterable[str | Path]) -> "pyarrow.Table":
    """Read several tables of the same columns, one below the other."""
    import pyarrow

    return pyarrow.concat_tables([read_parquet(path) for path in paths])


def read_optional(paths: Iterable[str | Path]) -> "pyarrow.Table | None":
    """The tables at `paths` joined, None where there are none."""
    paths = list(paths)
    return read_parquets(paths) if paths else None
