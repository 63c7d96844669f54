"""Write files and folders whole or not at all, and find what killed jobs left behind."""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from d2a_core.store import manifests


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
        if any(manifests.PART.fullmatch(folder.name) for folder in path.parents):
            os.replace(part, path)
            return
        facts, is_folder = _manifest_of(part, path) if manifest else None, part.is_dir()
        if facts is not None and is_folder:
            _write(facts, part / manifests.MANIFEST)
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
        manifests.beside(path).unlink(missing_ok=True)
        os.replace(part, path)


def _write_beside(facts: Mapping[str, Any], path: Path, mark: str) -> None:
    part = path.with_name(f".{path.stem}-{mark}.json")
    try:
        _write(facts, part)
        _sync(part)
        os.replace(part, manifests.beside(path))
    except BaseException:
        remove(part)
        raise


def _write(facts: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(facts, sort_keys=True) + "\n", encoding="utf-8")


def remove(path: Path) -> None:
    """Remove a file or a folder with its manifest, also one that is not there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
        manifests.beside(path).unlink(missing_ok=True)


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
    files = {name: part / name for name in manifests.contents(part)} if part.is_dir() else {path.name: part}
    return {
        "files": {
            name: {"bytes": file.stat().st_size, "sha256": manifests.digest(file)}
            for name, file in files.items()
        }
    }


def leftovers(folder: Path) -> list[Path]:
    """Find what killed jobs left behind: unfinished files, and manifests whose file is missing."""
    hidden = list(folder.rglob(".*"))
    parts = {path for path in hidden if manifests.PART.fullmatch(path.name)}
    lonely = {
        path
        for path in hidden
        if path.name.endswith(manifests.MANIFEST)
        and path.name != manifests.MANIFEST
        and not manifests.owner(path).exists()
    }
    return sorted(path for path in parts | lonely if not parts & set(path.parents))


def sweep(folder: str | Path) -> int:
    """Remove all `leftovers` of a folder and return their number; nobody else may be writing there."""
    found = leftovers(Path(folder))
    for path in found:
        remove(path)
    return len(found)
