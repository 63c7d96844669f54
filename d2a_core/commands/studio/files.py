"""Files of the studio: uploads of users, and artefacts of a run to look at."""

import io
import re
import secrets
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from d2a_core.commands import delivery, requests
from d2a_core.commands.delivery import INPUTS
from d2a_core.commands.morph_requests import is_table
from d2a_core.media import images, photos, video_reading
from d2a_core.store import atomic, manifests, tables
from d2a_core.store.kinds import kind_of
from d2a_core.workflow import inspection

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

UPLOADS = Path("results/.state/studio")  # in the work directory: what is being uploaded
LARGEST = {"photo": 100_000_000, "clip": 2_000_000_000}  # bytes
MOST_TEXT = 200_000  # characters that are shown
JPEG_QUALITY = 92
SUFFIX_CHARS = 9


async def take(chunks: AsyncIterator[bytes], work: Path, *, kind: str, name: str) -> dict[str, str]:
    """Keep a user's photo or clip in the work directory as `d2a animate` does, once it proves readable.

    `name` is what the user calls the file. Raises ValueError, in one sentence with that name, for a file that
    is too large or is no photo or clip.
    """
    if kind not in LARGEST:
        raise ValueError(f"an upload is a photo or a clip, not {kind!r}")
    folder = work / UPLOADS / secrets.token_hex(8)
    suffix = re.sub(r"[^a-z0-9.]", "", Path(name).suffix.lower())[:SUFFIX_CHARS]
    part = folder / f"{requests.slug(Path(name).stem, kind)}{suffix}"
    with _removed_after(folder):
        with part.open("wb") as handle:
            count = 0
            async for chunk in chunks:
                count += len(chunk)
                if count > LARGEST[kind]:
                    raise ValueError(
                        f"{name} has more than {LARGEST[kind] / 1e6:.0f} MB; give a smaller {kind}"
                    )
                handle.write(chunk)
        try:
            _check(part, kind)
        except (ValueError, OSError) as error:
            raise ValueError(str(error).replace(str(part), name)) from error
        found, copy = delivery.adopt(part, work, kind)
    return {"path": copy, "name": found, "label": name}


@contextmanager
def _removed_after(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        atomic.remove(folder)


def _check(path: Path, kind: str) -> None:
    """Raise ValueError for a file that cannot be read as a photo, or as a driver."""
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty; give another file")
    if kind == "photo":
        photos.read_photo(path)
    elif is_table(path):
        tables.read_driving(path)
    else:
        video_reading.probe(path)


def brought(work: Path, path: str) -> Path:
    """A file that was uploaded, by the path that `take` gave; raises ValueError for any other."""
    found = (work / path).resolve()
    if found.parent != (work / INPUTS).resolve() or not found.is_file():
        raise ValueError(f"{path} was not uploaded here; upload it again")
    return found


def clips(work: Path) -> list[dict[str, str]]:
    """Drivers: clips and pictures uploaded before, and clips that the project performed or tracked."""
    copies = sorted((work / INPUTS).glob("*.*"))
    uploaded = [path for path in copies if kind_of(path) in ("video", "picture", "table")]
    tracked = sorted((work / "results" / "driving").glob("*.parquet"))
    known = {path.stem for path in uploaded}
    found = [*uploaded, *(path for path in tracked if path.stem not in known)]
    return [{"path": path.relative_to(work).as_posix(), "label": path.stem} for path in found]


def driver(work: Path, path: str) -> Path:
    """The clip of a path that `clips` or `take` gave; raises ValueError for any other."""
    if any(clip["path"] == path for clip in clips(work)):
        return work / path
    return brought(work, path)


def artefact(results: Path, path: str) -> Path:
    """A file or folder below `results`; raises ValueError for what is hidden, elsewhere or not there."""
    found = results / path
    parts = found.resolve().relative_to(results.resolve()).parts if _below(found, results) else (".",)
    if any(part.startswith(".") for part in parts) or not found.exists():
        raise ValueError(f"there is no {path} among the results")
    return found


def _below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def listing(results: Path, path: str) -> dict[str, Any]:
    """Folders and artefacts in a folder of the results, with the kind and size of each artefact."""
    folder = artefact(results, path)
    if not folder.is_dir() or _is_store(folder):
        raise ValueError(f"{path} is no folder to list")
    children = sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    inner = [child for child in children if child.is_dir() and not _is_store(child)]
    leaves = [child for child in children if child not in inner]
    return {
        "folders": [child.name for child in inner],
        "files": [{"name": child.name, "kind": _kind(child), "bytes": _size(child)} for child in leaves],
    }


def _is_store(folder: Path) -> bool:
    return folder.suffix == ".zarr"


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [path / name for name in manifests.contents(path)]
    return sum(file.stat().st_size for file in files)


def _kind(path: Path) -> str:
    """Kind of an artefact on the page: video, picture or text; `data` is only described."""
    kind = "text" if kind_of(path) == "json" else kind_of(path)
    return kind if kind in ("video", "picture", "text") else "data"


def describe(results: Path, path: str) -> str:
    """Summary of an artefact as `d2a inspect` gives it, or the text that it is."""
    found = artefact(results, path)
    if _kind(found) == "text":
        return found.read_text(encoding="utf-8", errors="replace")[:MOST_TEXT]
    return inspection.describe(found)


def jpeg_file(image: NDArray[np.uint8]) -> bytes:
    """A picture [H, W, 3] to look at, as the bytes of a file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def png_file(image: NDArray[np.uint8], facts: Mapping[str, Any], work: Path) -> bytes:
    """A picture [H, W, 3] to keep, as the bytes of the file that `d2a edit` would write."""
    folder = work / UPLOADS / secrets.token_hex(8)
    with _removed_after(folder):
        images.write_image(image, folder / "picture.png", text=facts)
        return (folder / "picture.png").read_bytes()


def array_file(array: NDArray) -> bytes:
    """An array as the bytes of a file of NumPy."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def zipped(folder: Path) -> Iterator[bytes]:
    """The files of a folder as a zip archive, not compressed, in pieces of about a file each."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in manifests.contents(folder):
            archive.write(folder / name, f"{folder.name}/{name}")
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """Keep what is written until it is `taken`; zipfile sees that it cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data
