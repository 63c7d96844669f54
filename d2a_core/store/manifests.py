"""Write a manifest beside each artefact, and compare an artefact with it before it is read."""

import hashlib
import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

import functools
import re

MANIFEST = ".manifest.json"
RECORD = "asset.json"  # in an asset folder: origin, licence, and `files`, which serves as its manifest
PART = re.compile(r"\..+-[0-9a-f]{8}(\.[^.]+)?")  # a name that `atomic_path` gives to what is being written


def beside(path: Path) -> Path:
    """Path of the manifest of an artefact."""
    return path.with_name(f".{path.name}{MANIFEST}")


def owner(found: Path) -> Path:
    """Path of the artefact of a manifest."""
    return found.with_name(found.name[1 : -len(MANIFEST)])


def contents(folder: Path) -> list[str]:
    """Names of the files of a folder and its folders, sorted; nothing hidden."""
    names = (child.relative_to(folder).as_posix() for child in folder.rglob("*") if child.is_file())
    return sorted(name for name in names if not any(part.startswith(".") for part in name.split("/")))


def digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def manifest(path: Path) -> dict[str, dict[str, Any]] | None:
    """Size `bytes` and `sha256` of each file of an artefact by its name in it, None without a manifest.

    Raises ValueError when the manifest itself is damaged.
    """
    found = path / MANIFEST if path.is_dir() else beside(path)
    if path.is_dir() and not found.exists():
        found = path / RECORD
    try:
        state = found.stat()
        return _parsed(found, state.st_ino, state.st_mtime_ns, state.st_size)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{found}, the manifest of {path}, is damaged; {_remedy(path)}") from None


@functools.lru_cache(maxsize=64)  # every picture of a folder asks for the folder's
def _parsed(path: Path, inode: int, modified_ns: int, size: int) -> dict[str, dict[str, Any]]:
    files = json.loads(path.read_text(encoding="utf-8"))["files"]
    return {
        str(name): {"bytes": int(file["bytes"]), "sha256": str(file["sha256"])}
        for name, file in files.items()
    }


def check(path: str | Path, remedy: str | None = None) -> Path:
    """Return `path` if it is unchanged since it was written. Without a manifest it is not checked.

    A file is compared by size and digest with its own manifest or that of its folder, a folder by the
    sizes of its files and the digests of its zarr metadata: zarr's chunks carry check sums of their own.
    Raises ValueError that names what is damaged and what to do, the `remedy` where one is given.
    """
    path = Path(path)
    if path.is_dir():
        for name, facts in (manifest(path) or {}).items():
            _check_file(path / name, facts, remedy or _remedy(path), deep=name.endswith("zarr.json"))
    elif path.is_file():
        own, around = manifest(path), manifest(path.parent)
        known = (own or around or {}).get(path.name)
        if known is not None:
            _check_file(path, known, remedy or _remedy(path if own else path.parent), deep=True)
    return path


def damages(path: Path) -> list[str]:
    """A sentence for each file of an artefact that is not as it was written; every byte is read."""
    found = []
    known = manifest(path) or {}
    for name, facts in known.items():
        try:
            _check_file(path / name if path.is_dir() else path, facts, _remedy(path), deep=True)
        except ValueError as error:
            found.append(str(error))
    if path.is_dir() and known:
        extra = [name for name in contents(path) if name not in known and name != RECORD]
        found += [f"{path / name} was added later; delete it" for name in extra]
    return found


def _check_file(path: Path, facts: Mapping[str, Any], remedy: str, *, deep: bool) -> None:
    try:
        state = path.stat()
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; {remedy}") from None
    if state.st_size != facts["bytes"]:
        raise ValueError(f"{path} has {state.st_size:,} bytes instead of {facts['bytes']:,}; {remedy}")
    if deep and _known_digest(path, state.st_mtime_ns, state.st_size) != facts["sha256"]:
        raise ValueError(f"{path} was altered after it was written; {remedy}")


@functools.lru_cache(maxsize=4096)
def _known_digest(path: Path, modified_ns: int, size: int) -> str:
    return digest(path)


def _remedy(artefact: Path) -> str:
    if (artefact / RECORD).is_file():
        return f"delete the folder {artefact} and run again, it will be fetched anew"
    return f"delete {'the folder ' if artefact.is_dir() else ''}{artefact} and snakemake recomputes it"


def artefacts(folder: Path) -> Iterator[Path]:
    """The artefacts with a manifest in a folder and its folders, by name, model files included."""
    kept = {path for path in folder.rglob("*") if path.name.endswith(MANIFEST) or path.name == RECORD}
    kept = {path for path in kept if not any(PART.fullmatch(parent.name) for parent in path.parents)}
    yield from sorted(
        {path.parent if path.name in (MANIFEST, RECORD) else owner(path) for path in kept},
    )


DAMAGE = (  # what zarr, Arrow and PyTorch raise on damaged bytes; not MemoryError
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, EOFError),
    pickle.PickleError,
)


REDO = ("run snakemake to compute it", "delete it and snakemake recomputes it")


@contextmanager
def reading(path: Path, remedies: tuple[str, str] = REDO, *, compare: bool = True) -> Iterator[None]:
    """Turn what a library raises on a missing or damaged artefact into one sentence.

    `compare` it with its manifest first: not every format notices a flipped bit.
    """
    if not path.exists():
        raise ValueError(f"{path} does not exist; {remedies[0]}")
    if compare:
        check(path, None if remedies is REDO else remedies[1])
    try:
        yield
    except PermissionError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} cannot be read ({reason}); {remedies[1]}") from error
