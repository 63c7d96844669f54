"""Read and write text and JSON files, hashes of files, and caches."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d2a_core.store import manifests
from d2a_core.store.atomic import atomic_path

if TYPE_CHECKING:
    pass


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
    with manifests.reading(Path(path)):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256(path: str | Path) -> str:
    """Return the hex digest of a file; of a folder, that of its files' names and digests.

    Hidden files and folders do not count.
    """
    path = Path(path)
    if not path.is_dir():
        return manifests.digest(path)
    whole = hashlib.sha256()
    for name in manifests.contents(path):
        whole.update(f"{name}\0{manifests.digest(path / name)}\n".encode())
    return whole.hexdigest()


@contextmanager
def unchanged(path: str | Path) -> Iterator[None]:
    """Raise ValueError when the file `path` was written to while the block read it."""
    before = _stamp(path)
    yield
    if _stamp(path) != before:
        raise ValueError(f"{path} changed while it was read; wait until it is whole, and run again")


def _stamp(path: str | Path) -> list[int]:
    """Size and time of a file."""
    state = Path(path).stat()
    return [state.st_size, state.st_mtime_ns]


def cached_sha256(path: str | Path, cache: str | Path) -> str:
    """`sha256` of a file, kept in the JSON file `cache` as long as its path, size and time stay the same."""
    path = Path(path).absolute()
    stamp = _stamp(path)
    known = read_cache(cache)
    size, time_ns, digest = known.get(str(path), (None, None, None))
    if [size, time_ns] == stamp:
        return digest
    digest = sha256(path)
    write_cache({**known, str(path): [*stamp, digest]}, cache)
    return digest


def read_cache(path: str | Path) -> dict[str, Any]:
    """Read a cache file; {} where there is none or a damaged one."""
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def write_cache(known: Mapping[str, Any], path: str | Path) -> None:
    """Write a cache file. Errors are ignored: the cache only saves time.

    There is no manifest, as jobs that start at the same time write one over the other.
    """
    with suppress(OSError):
        write_json(known, path, manifest=False)
