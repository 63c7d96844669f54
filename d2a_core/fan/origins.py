"""Origin of a config's FAN: trained here, or distilled before and kept in a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2a_core.store import assets, texts
from d2a_core.store.assets import Asset

GENERATOR = "mobilestylegan-ffhq"
BUNDLE = Path("bundle") / f"{GENERATOR}.safetensors"  # of the project, in its root
DEFAULTS = BUNDLE.with_suffix(".json")  # what config.yaml said of the sections below when it was made
ASSET = "fan-weights"  # name of a bundle that is downloaded, in data/assets
SUFFIX = ".safetensors"
FETCHED = f"bundle{SUFFIX}"  # its name there
ROOM = 100_000_000  # bytes, of a download
TRAINED, UNPACKED = "results", "results/bundle"  # folders of what was distilled, by its origin
# Sections that FAN comes of, each less what changes neither FAN nor directions. `auto` trains where one is
# not as in the config.yaml of the project: who changes how it is trained, there or in a file of their own,
# wants it trained.
SHAPING = {
    "latents": {"keep_images"},
    "landmarks": set(),
    "clusters": set(),
    "directions": {"gallery"},
    "pairs": set(),
    "goals": set(),
    "fan": {"weights", "groups", "finetune"},
    "encoder": set(),
}


@dataclass(frozen=True)
class Origin:
    """Where FAN, directions, encoder and readout come from.

    `bundle` is the path of a bundle, or the folder in data/assets that it is fetched into, None where they
    are trained; `why` says so in words. `sha256` is that of the bundle.
    """

    why: str
    bundle: str | None = None
    sha256: str | None = None

    @property
    def folder(self) -> str:
        """Folder of what was distilled, laid out as `results` is."""
        return TRAINED if self.bundle is None else UNPACKED

    @property
    def weights(self) -> str:
        """Value of `fan.weights` that says no more than whether it is trained here."""
        return "train" if self.bundle is None else "bundle"

    @property
    def sentence(self) -> str:
        """Say where FAN comes from, for a log."""
        return f"FAN is trained here: {self.why}" if self.bundle is None else f"FAN comes from {self.why}"


def find(config: Mapping[str, Any], root: Path, work: Path) -> Origin:
    """The origin that `fan.weights` stands for; raises ValueError where it does not fit the config.

    The project lies in `root` and its workflow runs in `work`, where relative paths start.
    """
    wanted = config["fan"]["weights"]
    if wanted == "auto":
        missing = next((path for path in (BUNDLE, DEFAULTS) if not (root / path).is_file()), None)
        why = f"there is no {missing}" if missing else _unlike(config, texts.read_json(root / DEFAULTS))
        return Origin(why) if why else _own(root / BUNDLE, work)
    if wanted == "train":
        return Origin("fan.weights is train")
    named = wanted if isinstance(wanted, str) else wanted["url"]
    if config["animations"]["fan"] != "all":
        raise ValueError(
            f"config: fan.weights is {named}, but animations.fan is {config['animations']['fan']}, and a "
            "bundle holds one FAN for all motion; set fan.weights to train, or animations.fan to all"
        )
    if not isinstance(wanted, str):
        return Origin(wanted["url"], f"data/assets/{ASSET}", wanted["sha256"])
    if wanted == "bundle":
        _check_generator(config)
        return _own(root / BUNDLE, work)
    if not wanted.endswith(SUFFIX):
        raise ValueError(
            f"config: fan.weights is {wanted!r}; choose auto, bundle, train, or a file that ends in {SUFFIX}"
        )
    return _own(work / Path(wanted).expanduser(), work)


def _unlike(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> str | None:
    """Why the bundle of the project is not the FAN of a config, None where it is."""
    if config["generator"]["name"] != GENERATOR:
        return f"the bundle is of another generator, {GENERATOR}"
    if config["generator"]["draft_size"] != defaults["generator"]["draft_size"]:
        return "generator.draft_size is not as it was for the bundle"
    if config["animations"]["fan"] != "all":
        return "animations.fan is groups, and the bundle holds one FAN for all motion"
    for section, free in SHAPING.items():
        for key in config[section].keys() - free:
            if config[section][key] != defaults[section].get(key):
                return f"{section}.{key} is not as it was for the bundle"
    return None


def defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of the project's config.yaml that `auto` compares, to be kept in `DEFAULTS`."""
    draft = {"generator": {"draft_size": config["generator"]["draft_size"]}}
    return draft | {section: config[section] for section in SHAPING}


def _check_generator(config: Mapping[str, Any]) -> None:
    name = config["generator"]["name"]
    if name != GENERATOR:
        raise ValueError(
            f"config: fan.weights is bundle, which was distilled from {GENERATOR}, but generator.name is "
            f"{name!r}; set fan.weights to train"
        )


def _own(file: Path, work: Path) -> Origin:
    if not file.is_file():
        raise ValueError(
            f"config: fan.weights stands for the file {file}, which is not there; correct it, or set it to "
            "train"
        )
    path = str(file.relative_to(work) if file.is_relative_to(work) else file)
    return Origin(path, path, texts.cached_sha256(file, work / "results" / ".state" / "sha256.json"))


def distilled(config: Mapping[str, Any], root: Path, work: Path) -> Path:
    """Folder in `work` of what was distilled for a config of the project in `root`; see `find`."""
    return work / find(config, root, work).folder


def downloads(config: Mapping[str, Any]) -> dict[str, Asset]:
    """The bundle that is fetched from a URL, by the name of its asset; {} where there is none."""
    wanted = config["fan"]["weights"]
    if isinstance(wanted, str):
        return {}
    return {ASSET: assets.download(ASSET, wanted, file=FETCHED, room=ROOM)}


def file_of(bundle: str | Path) -> Path:
    """The file of an `Origin.bundle`: itself, or the one in the folder that it was fetched into."""
    path = Path(bundle)
    return path / FETCHED if path.is_dir() else path
