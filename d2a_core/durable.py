"""Artefacts that are whole or absent, and manifests that tell later whether they still are.

A manifest holds the size and SHA-256 of every file of an artefact, as JSON: inside a folder as
`.manifest.json`, beside a file as `.<name>.manifest.json`. Both are hidden, as tools that list stores and
tables take no notice of hidden files.
"""

import errno
import functools
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

MANIFEST = ".manifest.json"
RECORD = "asset.json"  # in an asset folder: origin, licence, and `files`, which serves as its manifest
PART = re.compile(r"\..+-[0-9a-f]{8}(\.[^.]+)?")  # a name that `atomic_path` gives to what is being written


@contextmanager
def atomic_path(path: str | Path, *, manifest: bool = True) -> Iterator[Path]:
    """Yield a hidden sibling of `path` with the same suffix; it gets the name `path` on success.

    What the block writes there, a file or a folder, reaches the disk before it replaces what `path` was;
    after an exception it is removed and `path` is as before. `manifest` leaves a manifest with it. Inside
    a folder that is itself being written so, only the name is exchanged: the folder sees to the rest.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    part = path.with_name(f".{path.stem}-{mark}{path.suffix}")
    try:
        yield part
        if any(PART.fullmatch(folder.name) for folder in path.parents):
            os.replace(part, path)
            return
        facts, is_folder = _manifest_of(part, path) if manifest else None, part.is_dir()
        if facts is not None and is_folder:
            _write(facts, part / MANIFEST)
        _sync(part)
        _replace(part, path, mark)
        if facts is not None and not is_folder:
            _write_beside(facts, path, mark)
        _sync_folder(path.parent)
    except BaseException:
        remove(part)
        raise


def _replace(part: Path, path: Path, mark: str) -> None:
    if part.is_dir() or path.is_dir():
        old = path.with_name(f".{path.stem}-{mark}.old")
        while True:  # a folder cannot be replaced in one step, and somebody else may put his there in between
            with suppress(FileNotFoundError):
                path.rename(old)
            try:
                part.rename(path)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            finally:
                remove(old)
    else:
        # a new file beside an old manifest would look damaged, one without a manifest is merely unchecked
        _beside(path).unlink(missing_ok=True)
        os.replace(part, path)


def _write_beside(facts: Mapping[str, Any], path: Path, mark: str) -> None:
    part = path.with_name(f".{path.stem}-{mark}.json")
    try:
        _write(facts, part)
        _sync(part)
        os.replace(part, _beside(path))
    except BaseException:
        remove(part)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}{MANIFEST}")


def _owner(found: Path) -> Path:
    return found.with_name(found.name[1 : -len(MANIFEST)])


def _write(facts: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(facts, sort_keys=True) + "\n", encoding="utf-8")


def remove(path: Path) -> None:
    """Remove a file or a folder with its manifest, also one that is not there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
        _beside(path).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or a folder with all that is in it, has reached the disk."""
    for folder, _, names in os.walk(path) if path.is_dir() else ():
        for name in names:
            _sync(Path(folder, name))
        _sync_folder(Path(folder))
    if path.is_file():
        with path.open("rb") as handle:
            os.fsync(handle.fileno())


def _sync_folder(path: Path) -> None:
    with suppress(OSError):  # some network file systems cannot, and need not
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _manifest_of(part: Path, path: Path) -> dict[str, Any]:
    """Size and digest of the files of `part`; a single file gets the name it is to have."""
    files = {name: part / name for name in contents(part)} if part.is_dir() else {path.name: part}
    return {
        "files": {
            name: {"bytes": file.stat().st_size, "sha256": digest(file)} for name, file in files.items()
        }
    }


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
    found = path / MANIFEST if path.is_dir() else _beside(path)
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
    """Return `path` if it is as it was written; one without a manifest counts as such.

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
        facts = (own or around or {}).get(path.name)
        if facts is not None:
            _check_file(path, facts, remedy or _remedy(path if own else path.parent), deep=True)
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
        {path.parent if path.name in (MANIFEST, RECORD) else _owner(path) for path in kept},
    )


def leftovers(folder: Path) -> list[Path]:
    """What killed writers have left in a folder and its folders: parts, and manifests of nothing."""
    hidden = list(folder.rglob(".*"))
    parts = {path for path in hidden if PART.fullmatch(path.name)}
    lonely = {
        path
        for path in hidden
        if path.name.endswith(MANIFEST) and path.name != MANIFEST and not _owner(path).exists()
    }
    return sorted(path for path in parts | lonely if not parts & set(path.parents))


def sweep(folder: str | Path) -> int:
    """Remove all `leftovers` of a folder and return their number; nobody else may be writing there."""
    found = leftovers(Path(folder))
    for path in found:
        remove(path)
    return len(found)
