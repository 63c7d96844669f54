"""Optional weights: where they are, or why there are none."""

import logging
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

from d2a_core import runtime
from d2a_core.store.assets import AssetError, download, fetch

CACHE = "data/assets"  # where downloads are kept
TIMEOUT_S = 20.0  # how long a server may be silent
ROOM = 1_000_000_000  # bytes; the largest recognition model of insightface takes 261 MB
KNOWN = {  # weights that can be asked for by name
    "torch-fidelity": {  # Inception, 95,628,359 bytes, Apache-2.0
        "url": "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        "sha256": "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    }
}


def obtain(
    name: str,
    source: Mapping[str, str] | str | None,
    cache_folder: str | Path = CACHE,
    *,
    timeout_s: float = TIMEOUT_S,
    log: logging.Logger | None = None,
) -> Path | str:
    """Find the file of the weights `name`; return one sentence that says why there is none.

    `source` is {"path": a file}, {"url": https://…, "sha256": 64 digits}, a name in `KNOWN`, or None. A
    download is kept in `cache_folder`/`name`, and nothing but the whole file with that sha256 ever gets its
    name there; what has come of a broken one is kept beside it, hidden, and the next call asks for the rest.
    `timeout_s` is how long the server may be silent. Nothing is raised for a network, a server or a disk that
    fails.
    """
    if source is None:
        return f"no weights are configured for {name}"
    if isinstance(source, str):
        source = KNOWN[source]
    if "path" in source:
        path = Path(source["path"]).expanduser()
        return path if path.is_file() else f"there is no file {path.absolute()} for {name}; correct its path"
    file = Path(urlparse(source["url"]).path).name or "weights"
    asset = download(name, source, file=file, room=ROOM)
    folder = Path(cache_folder) / name
    try:
        fetch(asset, folder, log=log, timeout_s=timeout_s)
    except (AssetError, OSError) as error:
        return runtime.one_line(error)
    return folder / file


def record(found: Path | str) -> dict[str, str]:
    """Turn a result of `obtain` into plain values."""
    return {"reason": found} if isinstance(found, str) else {"path": found.as_posix()}


def recorded(values: Mapping[str, str]) -> Path | str:
    """Result of `obtain`, from its `record`."""
    return Path(values["path"]) if "path" in values else values["reason"]
