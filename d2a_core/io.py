"""Tables, stores, pictures and checkpoints: the only place that opens them.

Every writer is atomic and leaves a manifest, and every reader compares with it (see `durable`). Nothing
written holds a date, so the same input gives the same bytes.
"""

import dataclasses
import hashlib
import json
import pickle
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import d2a_core
from d2a_core import durable
from d2a_core.durable import atomic_path

if TYPE_CHECKING:
    import pyarrow
    import torch
    import zarr
    from PIL import Image

METADATA_KEY = b"d2animator"
ZSTD_LEVEL = 3
MAX_PIXELS = 120_000_000  # of a photo: 360 MB decoded; phones take 108 megapixels at most in one shot
MIN_SIDE = 64  # px, of a photo: no face on less shows its eyes
PHOTO_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "TGA")
PHOTO_REMEDY = "give an intact PNG, JPEG or WebP file"
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
DAMAGE = (  # what zarr, Arrow and PyTorch raise on damaged bytes; not MemoryError
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, EOFError),
    pickle.PickleError,
)


REDO = ("run snakemake to compute it", "delete it and snakemake recomputes it")


@contextmanager
def _reading(path: Path, remedies: tuple[str, str] = REDO, *, check: bool = True) -> Iterator[None]:
    """Turn what a library raises on a missing or damaged artefact into one sentence.

    `check` compares it with its manifest first: not every format notices a flipped bit.
    """
    if not path.exists():
        raise ValueError(f"{path} does not exist; {remedies[0]}")
    if check:
        durable.check(path, None if remedies is REDO else remedies[1])
    try:
        yield
    except PermissionError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} cannot be read ({reason}); {remedies[1]}") from error


def provenance(**facts: object) -> dict[str, Any]:
    """Return `facts` as plain JSON values, without the None ones, plus `created_by` and `version`.

    Arrays become lists, paths text, dataclasses objects. Raises ValueError on anything else that
    JSON cannot hold, NaN included.
    """
    plain: dict[str, Any] = {}
    for name, fact in facts.items():
        if fact is None:
            continue
        try:
            plain[name] = json.loads(json.dumps(fact, default=_plain, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ValueError(f"the fact {name}={fact!r} is no JSON value ({error})") from error
    return plain | {"created_by": "d2animator", "version": d2a_core.__version__}


def _plain(value: object) -> object:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} is not supported")


def write_zarr(
    path: str | Path,
    arrays: Mapping[str, NDArray],
    *,
    attributes: Mapping[str, Any],
    chunk_rows: int = 64,
) -> None:
    """Write a zarr v3 group; each chunk holds `chunk_rows` rows of axis 0 and all of the others."""
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


def write_zarrs(stores: Mapping[str, Mapping[str, NDArray]], *, attributes: Mapping[str, Any]) -> None:
    """Write several stores with the same attributes, arrays by path."""
    for path, arrays in stores.items():
        write_zarr(path, arrays, attributes=attributes)


def open_zarr(path: str | Path) -> dict[str, "zarr.Array"]:
    """Return the arrays of a store by name, unread; raises ValueError when one is damaged."""
    import zarr

    path = Path(path)
    with _reading(path):
        group = zarr.open_group(path, mode="r")
        # names from the folder, not from zarr, which warns about every hidden file it meets
        names = sorted(child.name for child in path.iterdir() if _is_array(child))
        arrays = {name: group[name] for name in names}
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
    chosen = list(arrays) if names is None else list(names)
    for name in chosen:
        if name not in arrays:
            raise ValueError(
                f"{path} has no array {name!r} but {', '.join(arrays)}; delete it and snakemake recomputes it"
            )
    with _reading(Path(path), check=False):  # `open_zarr` has
        return {name: np.asarray(arrays[name][...]) for name in chosen}


def zarr_blocks(path: str | Path, array: "zarr.Array") -> Iterator[NDArray]:
    """Read an array of `open_zarr(path)` one chunk of rows at a time."""
    rows = array.chunks[0] if array.ndim else 1
    for start in range(0, array.shape[0] if array.ndim else 1, rows):
        with _reading(Path(path), check=False):  # `open_zarr` has
            block = np.asarray(array[start : start + rows] if array.ndim else array[...])
        yield block


def zarr_attributes(path: str | Path) -> dict[str, Any]:
    """Read the attributes of a store; raises ValueError when it is missing or damaged."""
    import zarr

    with _reading(Path(path)):
        return dict(zarr.open_group(Path(path), mode="r").attrs)


def write_parquet(
    table: "pyarrow.Table | Mapping[str, Any]", path: str | Path, *, metadata: Mapping[str, Any]
) -> None:
    """Write a table or a mapping of columns; `metadata` goes in as JSON, key `d2animator`."""
    import pyarrow
    from pyarrow import parquet

    if not isinstance(table, pyarrow.Table):
        table = pyarrow.table(dict(table))
    known = table.schema.metadata or {}
    table = table.replace_schema_metadata({**known, METADATA_KEY: json.dumps(dict(metadata))})
    with atomic_path(path) as part:
        parquet.write_table(table, part, compression="zstd")


def read_parquet(path: str | Path) -> "pyarrow.Table":
    """Read a table; raises ValueError when it is missing or damaged."""
    from pyarrow import parquet

    with _reading(Path(path)):
        # as one file: otherwise a folder named like `source=me` would become a column
        with parquet.ParquetFile(Path(path)) as file:
            return file.read()


def read_driving(path: str | Path) -> tuple["pyarrow.Table", dict[str, Any]]:
    """Read a landmark table that a user gives as a clip, and its metadata, {} where it has none."""
    from pyarrow import parquet

    remedy = "give a table as `track_driving` writes it, results/driving/<clip>.parquet"
    with _reading(Path(path), (remedy, remedy)):
        with parquet.ParquetFile(Path(path)) as file:
            table = file.read()
        return table, json.loads((table.schema.metadata or {}).get(METADATA_KEY, b"{}"))


def parquet_metadata(path: str | Path) -> dict[str, Any]:
    """Read what `write_parquet` got as `metadata`; {} for a table of another program."""
    from pyarrow import parquet

    with _reading(Path(path)):
        schema = parquet.read_schema(Path(path))
        return json.loads((schema.metadata or {}).get(METADATA_KEY, b"{}"))


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


def write_image(
    array: NDArray[np.uint8],
    path: str | Path,
    *,
    text: Mapping[str, object] | None = None,
    compress_level: int = 6,
) -> None:
    """Write an RGB picture [H, W, 3] as PNG; `text` goes into its text chunks.

    Compression level 1 is three times as fast as 6 and makes files a seventh larger.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    assert array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3, array.shape
    info = PngInfo()
    for name, value in (text or {}).items():
        info.add_itxt(name, value if isinstance(value, str) else json.dumps(value, default=_plain))
    with atomic_path(path) as part:
        Image.fromarray(array).save(part, format="PNG", pnginfo=info, compress_level=compress_level)


def write_images(images: Iterable[NDArray[np.uint8]], folder: str | Path) -> None:
    """Write RGB pictures [H, W, 3] as they come, from `000000.png` on; the folder appears at the end."""
    with atomic_path(folder) as part:
        for number, image in enumerate(images):
            write_image(image, part / f"{number:06d}.png")


def keep_images(
    images: Iterable[tuple[str, NDArray[np.uint8]]], folder: str | Path
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Write named RGB pictures [H, W, 3] as they come, and pass them on with their path as PNG in `folder`.

    The folder appears when all have been taken.
    """
    with atomic_path(folder) as part:
        for name, image in images:
            write_image(image, part / f"{name}.png", compress_level=1)
            yield (Path(folder) / f"{name}.png").as_posix(), image


def image_reader(folders: Iterable[str | Path]) -> Callable[[str], Iterator[NDArray[np.uint8]]]:
    """A function from the name of one of the `folders` to its pictures `r*.png`, in order, unread."""
    known = {Path(folder).name: Path(folder) for folder in folders}

    def read(name: str) -> Iterator[NDArray[np.uint8]]:
        return (read_image(path) for path in sorted(known[name].glob("r*.png")))

    return read


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read any picture as RGB [H, W, 3], turned upright where a camera noted its orientation."""
    from PIL import Image, ImageOps

    with _picture(path), Image.open(path) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def image_text(path: str | Path) -> dict[str, str]:
    """Read the text chunks of a picture; {} where it has none."""
    from PIL import Image

    with _picture(path), Image.open(path) as image:
        image.load()
        return {name: str(text) for name, text in getattr(image, "text", {}).items()}


@contextmanager
def _picture(path: str | Path) -> Iterator[None]:
    """Unlike our own artefacts, a picture may be the user's: name what to give instead."""
    from PIL import Image

    durable.check(path)
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} cannot be read as a picture ({' '.join(str(error).split())}); "
            "give an intact PNG, JPEG or WebP file"
        ) from error


@contextmanager
def open_photo(path: str | Path) -> Iterator["Image.Image"]:
    """Yield a user's picture as Pillow opens it: header read, nothing decoded yet.

    Raises ValueError, also for what goes wrong inside the block, in one sentence that names the file and
    the remedy. What runs other programs on the file, as PostScript does, is not opened.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    _check_photo_file(path)
    heif = _is_heif(path)
    if heif:
        _register_heif(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            with Image.open(path, formats=[*PHOTO_FORMATS, *(["HEIF"] if heif else [])]) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                if min(width, height) < MIN_SIDE:
                    raise ValueError(f"it has only {width}×{height} pixels")
                yield image
    except PermissionError:
        raise ValueError(f"{path} may not be read; give yourself the right to, or copy it") from None
    except Image.DecompressionBombError:
        limit = f"{MAX_PIXELS / 1e6:.0f} megapixels"
        raise ValueError(f"{path} has more than {limit}, too many to decode; scale it down") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that can be read; {PHOTO_REMEDY}") from None
    except (*DAMAGE, ArithmeticError, SyntaxError, struct.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be used as a photo ({reason}); {PHOTO_REMEDY}") from error


def _check_photo_file(path: Path) -> None:
    if not path.exists():
        raise ValueError(f"{path} does not exist; check the path of the photo")
    if not path.is_file():
        raise ValueError(f"{path} is a folder or a device; name the photo inside it")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty; copy the photo again")


def _is_heif(path: Path) -> bool:
    with path.open("rb") as handle:
        head = handle.read(12)
    return head[4:8] == b"ftyp" and head[8:] in HEIF_BRANDS


def _register_heif(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise ValueError(
            f"{path} is a HEIC photo, which needs a plug-in; run `pip install pillow-heif`, "
            "or export the photo as JPEG"
        ) from None
    register_heif_opener()


def write_checkpoint(state: dict[str, Any], path: str | Path) -> None:
    """Save state dicts and plain values, nothing that needs unpickling of code."""
    import torch

    # through a handle: given a name, torch writes that (random) name into the archive
    with atomic_path(path) as part, part.open("wb") as handle:
        torch.save(state, handle)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint to the CPU; raises ValueError when it is missing, damaged or holds code."""
    import torch

    with _reading(Path(path)):
        return torch.load(path, weights_only=True, map_location="cpu")


def write_safetensors(
    tensors: Mapping[str, "torch.Tensor"], path: str | Path, *, metadata: Mapping[str, Any]
) -> None:
    """Write tensors by name; `metadata` goes in as JSON, key `d2animator`."""
    import torch
    from safetensors.torch import save_file

    whole = {  # safetensors refuses what shares its memory
        name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    # one key only: safetensors writes several in random order
    text = {METADATA_KEY.decode(): json.dumps(dict(metadata), sort_keys=True)}
    with atomic_path(path) as part:
        part.touch()  # save_file would let its owner alone read it, whatever the umask says
        rights = part.stat().st_mode
        save_file(whole, part, metadata=text)
        part.chmod(rights)


def is_safetensors(path: str | Path) -> bool:
    """Whether a file is one of safetensors, whatever its name: eight bytes of length, then JSON."""
    with Path(path).open("rb") as handle:
        head = handle.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") < Path(path).stat().st_size


def read_safetensors(
    path: str | Path, remedies: tuple[str, str] = REDO
) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
    """Read what `write_safetensors` wrote, tensors and metadata; {} for metadata of another program."""
    from safetensors import SafetensorError, safe_open

    with _reading(Path(path), remedies):
        try:
            with safe_open(path, framework="pt") as file:
                metadata = json.loads((file.metadata() or {}).get(METADATA_KEY.decode(), "{}"))
                return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(str(error)) from error


def write_text(text: str, path: str | Path, *, manifest: bool = True) -> None:
    """Write `text` as UTF-8 with Unix line ends."""
    with atomic_path(path, manifest=manifest) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(facts: Mapping[str, Any], path: str | Path, *, manifest: bool = True) -> None:
    """Write plain values as a JSON file that people can read."""
    text = json.dumps(dict(facts), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(text, path, manifest=manifest)


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raises ValueError when it is missing or damaged."""
    with _reading(Path(path)):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256(path: str | Path) -> str:
    """Return the hex digest of a file; of a folder, that of its files' names and digests.

    Hidden files and folders do not count.
    """
    path = Path(path)
    if not path.is_dir():
        return durable.digest(path)
    whole = hashlib.sha256()
    for name in durable.contents(path):
        whole.update(f"{name}\0{durable.digest(path / name)}\n".encode())
    return whole.hexdigest()


def read_zarrs(paths: Iterable[str | Path], names: Iterable[str]) -> dict[str, NDArray]:
    """Read the arrays `names` of several stores, joined along their first axis."""
    names = list(names)
    stores = list(read_each(paths, names))
    return {name: np.concatenate([store[name] for store in stores]) for name in names}


def read_parquets(paths: Iterable[str | Path]) -> "pyarrow.Table":
    """Read several tables of the same columns, one below the other."""
    import pyarrow

    return pyarrow.concat_tables([read_parquet(path) for path in paths])


def read_optional(paths: Iterable[str | Path]) -> "pyarrow.Table | None":
    """The tables at `paths` joined, None where there are none."""
    paths = list(paths)
    return read_parquets(paths) if paths else None


def read_each(paths: Iterable[str | Path], names: Iterable[str]) -> Iterator[dict[str, NDArray]]:
    """Read the arrays `names` of several stores, one mapping a store as it is asked for."""
    names = list(names)
    return (read_zarr(path, names) for path in paths)


def facts(path: str | Path) -> dict[str, Any]:
    """What a store, a table or a checkpoint says of how it was made; {} where it says nothing."""
    path = Path(path)
    if path.suffix == ".parquet":
        return parquet_metadata(path)
    return read_checkpoint(path).get("provenance", {}) if path.suffix == ".pt" else zarr_attributes(path)


def shared_facts(paths: Iterable[str | Path]) -> dict[str, Any]:
    """What several artefacts say of how they were made; of what two say, the later counts."""
    return {name: value for path in paths for name, value in facts(path).items()}


def cached_sha256(path: str | Path, cache: str | Path) -> str:
    """`sha256` of a file, kept in the JSON file `cache` as long as its path, size and time stay the same."""
    path = Path(path).absolute()
    state = path.stat()
    stamp = [state.st_size, state.st_mtime_ns]
    known = read_cache(cache)
    size, time_ns, digest = known.get(str(path), (None, None, None))
    if [size, time_ns] == stamp:
        return digest
    digest = sha256(path)
    write_cache({**known, str(path): [*stamp, digest]}, cache)
    return digest


def read_cache(path: str | Path) -> dict[str, Any]:
    """What `write_cache` wrote; {} where there is none or a damaged one."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def write_cache(known: Mapping[str, Any], path: str | Path) -> None:
    """Keep plain values that save time alone; where nothing can be written, nothing is kept.

    There is no manifest, as jobs that start at the same time write one over the other.
    """
    with suppress(OSError):
        write_json(known, path, manifest=False)


class ResumeFile:
    """State of a long job, kept outside the rule's outputs, which Snakemake deletes before a rerun.

    Its name carries a digest of `facts`: a job with other options or other inputs starts anew.
    """

    def __init__(self, folder: str | Path, facts: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        self.path = Path(folder) / f"{digest}.pt"

    def read(self) -> dict[str, Any] | None:
        """What the last `write` left, or None."""
        return read_checkpoint(self.path) if self.path.exists() else None

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state, never leaving half of it."""
        write_checkpoint(state, self.path)

    def clear(self) -> None:
        """Remove the state once the job's outputs are written."""
        durable.remove(self.path)
