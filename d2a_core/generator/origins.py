"""Origin of a config's generator: a model that the project knows, a download, or a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from d2a_core.store import texts
from d2a_core.store.assets import ASSETS, Asset, download

KNOWN = ("mobilestylegan-ffhq",)
SUFFIXES = (".pkl", ".pt", ".pth", ".ckpt", ".safetensors")
ROOM = 1_000_000_000  # bytes, of a download: more than twice the largest that NVIDIA has published
KEY_CHARS = 12  # of the sha256, in the name of a converted file


@dataclass(frozen=True)
class Options:
    """Keys of the config section `generator` on which no result depends, only on what they lead to."""

    name: str
    checkpoints: Mapping[str, Mapping[str, Any]]
    runtime: str


@dataclass(frozen=True)
class Origin:
    """A generator as the config names it.

    `sha256` is that of the file it comes in, None while a download's is not known. `asset` names the folder
    in data/assets that it is fetched into, `file` the user's own checkpoint; one of them is None.
    """

    name: str
    sha256: str | None
    asset: str | None = None
    file: str | None = None

    @property
    def key(self) -> str:
        """Part of the converted file's name that tells generators apart."""
        return (self.sha256 or "unknown")[:KEY_CHARS]

    @property
    def source(self) -> str:
        """The user's checkpoint, or the folder that the download is fetched into."""
        return self.file or f"data/assets/{self.asset}"

    @property
    def model(self) -> str:
        """Path that is loaded."""
        return self.source if self.name in KNOWN else f"results/generator/{self.key}.safetensors"


def find(options: Options, *, cache: str | Path) -> Origin:
    """The generator that `options.name` stands for; raises ValueError for a name that leads nowhere.

    The sha256 of a file is read from `cache` while its path, size and time are what they were.
    """
    name = options.name
    if name in KNOWN:
        return Origin(name, ASSETS[name].sha256, asset=name)
    if name in options.checkpoints:
        entry = options.checkpoints[name]
        if "url" in entry:
            return Origin(name, entry["sha256"], asset=name)
        return _own_file(name, f"generator.checkpoints.{name}.path", entry["path"], cache)
    if Path(name).suffix in SUFFIXES:
        return _own_file(Path(name).stem, "generator.name", name, cache)
    known = ", ".join([*KNOWN, *options.checkpoints])
    raise ValueError(
        f"config: generator.name is {name!r}, neither a known name ({known}) nor a file that ends in "
        f"{', '.join(SUFFIXES)}; correct it or add it to generator.checkpoints"
    )


def _own_file(name: str, key: str, path: str, cache: str | Path) -> Origin:
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(f"config: {key} is {path!r}, but there is no file {file.absolute()}; correct it")
    return Origin(name, texts.cached_sha256(file, cache), file=str(file))


def downloads(options: Options) -> dict[str, Asset]:
    """The checkpoints of the config that are fetched from a URL, by name."""
    entries = {name: entry for name, entry in options.checkpoints.items() if "url" in entry}
    for name in entries.keys() & ASSETS.keys():
        raise ValueError(
            f"config: generator.checkpoints has the name {name!r}, which another model of the project has; "
            "choose another"
        )
    return {
        name: download(name, entry, file=Path(urlparse(entry["url"]).path).name or "checkpoint", room=ROOM)
        for name, entry in entries.items()
    }
