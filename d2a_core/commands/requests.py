"""What a user asks `d2a animate` for, checked before anything expensive begins."""

import math
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2a_core import config
from d2a_core.media import photos, video_reading
from d2a_core.store import tables

KEYS = {  # fields of Request that set a key of the config
    "motion": "animations.motion",
    "neutral": "animations.neutral_s",
    "rest_lips": "animations.rest_lips",
    "motion_scale": "animations.motion_scale",
    "pose_scale": "animations.pose_scale",
    "expression_scale": "animations.expression_scale",
    "fan": "animations.fan",
    "corrections": "animations.corrections",
    "fps": "animations.fps",
    "slow_motion": "animations.slow_motion",
    "loop": "animations.loop",
    "method": "inversion.method",
    "tune": "inversion.tune",
}
DRIVERS = ("driving", "pose_from", "expression_from")  # fields of Request that name a clip
PHOTO_ONLY = ("face", "method", "tune", "paste_back")
NAME_CHARS = 40


@dataclass(frozen=True)
class Request:
    """The options of `d2a animate`; None leaves a setting to the config.

    `source` is the path of a photo or `seed:N`, `driving` that of a video, a picture or a driving table,
    `work` the folder where stages are cached. In place of `driving`, the head may follow `pose_from` and the
    face `expression_from`; what neither drives stays as on the source. `output` gets the video (None: it
    stays there), `side_by_side` a copy of the comparison, the folder `frames` png pictures. `face` N is the
    N-th largest on the photo, 0 the largest.
    """

    source: str
    driving: Path | None
    output: Path | None
    work: Path
    pose_from: Path | None = None
    expression_from: Path | None = None
    face: int | None = None
    motion: str | None = None
    neutral: float | None = None
    rest_lips: str | None = None
    motion_scale: float | None = None
    pose_scale: float | None = None
    expression_scale: float | None = None
    fan: str | None = None
    corrections: int | None = None
    fps: float | None = None
    slow_motion: float | None = None
    loop: bool | None = None
    method: str | None = None
    tune: bool | None = None
    paste_back: bool = False
    side_by_side: Path | None = None
    frames: Path | None = None
    cores: int | None = None
    configfile: Path | None = None
    dry_run: bool = False

    @property
    def seed(self) -> int | None:
        """N of a source `seed:N`; None for a photo."""
        return seed_of(self.source)

    @property
    def photo(self) -> Path:
        """Path of a source that is no seed."""
        return Path(self.source)

    @property
    def drivers(self) -> dict[str, Path]:
        """The clips that drive, by the field that names them."""
        return {name: getattr(self, name) for name in DRIVERS if getattr(self, name) is not None}

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The config keys that the options set, by section."""
        found: dict[str, dict[str, Any]] = {}
        still = {("pose_from",): "expression_scale", ("expression_from",): "pose_scale"}.get(
            tuple(self.drivers)
        )
        if still is not None:
            found["animations"] = {still: 0.0}
        for name, key in KEYS.items():
            section, _, leaf = key.partition(".")
            if (value := getattr(self, name)) is not None:
                found.setdefault(section, {})[leaf] = value
        return found


def default_output(source: str, *drivers: Path | None) -> Path:
    """`<source>--<clip>.mp4` in the current folder; `<clip>-and-<clip>` with two drivers."""
    clips = "-and-".join(slug(path.stem, "clip") for path in drivers if path is not None)
    return Path(f"{slug(Path(source).stem, 'photo')}--{clips}.mp4")


def slug(stem: str, fallback: str) -> str:
    """Letters and digits of `stem` with single hyphens between them, as names in the config are."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain)[:NAME_CHARS].strip("-") or fallback


def seed_of(text: str) -> int | None:
    """N of `seed:N`; None for anything else."""
    return int(text[5:]) if re.fullmatch(r"seed:\d+", text, re.ASCII) else None


def option(name: str) -> str:
    """The option of a field of Request."""
    return f"--{name.replace('_', '-')}"


def check(request: Request, root: Path) -> None:
    """Raise ValueError, in one sentence, for the first mistake in `request`; the cheapest checks first."""
    check_source(request, root)
    _check_drivers(request)
    for name, path in request.drivers.items():
        duration_s = _check_driving(option(name), path)
        if request.neutral is not None and request.neutral > duration_s:
            raise ValueError(
                f"--neutral is {request.neutral:g} s, but {path} lasts {duration_s:.2f} s; "
                "give the time of a frame in which the face is at rest"
            )


def _check_drivers(request: Request) -> None:
    if not request.drivers:
        raise ValueError("nothing drives the source; give --driving, or --pose-from and --expression-from")
    if request.driving is not None and len(request.drivers) > 1:
        name = option(list(request.drivers)[1])
        raise ValueError(f"--driving moves head and face, and {name} a part of them; give one or the other")
    if request.neutral is not None and len(request.drivers) > 1:
        raise ValueError("--neutral is a time in one clip, but there are two; leave it out")
    for driver, scale in (("pose_from", "pose_scale"), ("expression_from", "expression_scale")):
        lacks = request.driving is None and driver not in request.drivers
        if lacks and getattr(request, scale) is not None:
            raise ValueError(f"{option(scale)} scales nothing without {option(driver)}; give both")


def check_footage(request: Request, root: Path) -> None:
    """Raise ValueError, in one sentence, for the first mistake in a request whose clip is to be edited."""
    if request.face is not None:
        raise ValueError("--face is for photos, but the source is a video; cut the clip to one person")
    check_writable("--work", request.work / "results")
    check_settings(request, root)
    if request.driving.suffix.lower() == ".parquet":
        raise ValueError(f"{request.driving} is a landmark table; give a video that shows a face")
    _check_driving("the source", request.driving)


def check_source(request: Request, root: Path) -> None:
    """Raise ValueError, in one sentence, for the first mistake in all of `request` but the driver."""
    _check_words(request)
    _check_outputs(request)
    check_settings(request, root)
    _check_source(request)


def _check_words(request: Request) -> None:
    if request.source.startswith("seed:"):
        if request.seed is None:
            raise ValueError(f"--source is {request.source!r}; a seed is a whole number, such as seed:21")
        for name in PHOTO_ONLY:
            if getattr(request, name):
                raise ValueError(f"{option(name)} is for photos, but --source is a seed; leave it out")
    for name in ("neutral", "motion_scale", "pose_scale", "expression_scale", "fps", "slow_motion"):
        if not math.isfinite(getattr(request, name) or 0.0):
            raise ValueError(f"{option(name)} is {getattr(request, name)}; give a finite number")
    for name, least in (("face", 0), ("cores", 1), ("neutral", 0)):
        value = getattr(request, name)
        if value is not None and value < least:
            raise ValueError(f"{option(name)} is {value:g}, but it must be at least {least}")


def _check_outputs(request: Request) -> None:
    if request.work.exists() and not request.work.is_dir():
        raise ValueError(f"--work {request.work} is no folder; give a folder, or the name of a new one")
    check_writable("--work", request.work / "results")
    for name in ("output", "side_by_side"):
        if getattr(request, name) is not None:
            inputs = (request.source, *map(str, request.drivers.values()))
            check_video_name(option(name), getattr(request, name), inputs)
    if request.side_by_side and request.side_by_side.resolve() == request.output.resolve():
        raise ValueError(f"--output and --side-by-side are both {request.output}; give two names")
    folder = request.frames
    if folder is not None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ValueError(f"--frames {folder} is there already; give a new or an empty folder")
        check_writable("--frames", folder)


def check_video_name(name: str, path: Path, inputs: Iterable[str]) -> None:
    """Raise ValueError unless the option `name` gives a `path` where a video can go, none of the `inputs`."""
    _check_file_name(name, path, inputs, ".mp4", "an mp4 video")


def check_picture_name(name: str, path: Path, inputs: Iterable[str]) -> None:
    """Raise ValueError unless the option `name` gives a `path` for a picture, none of the `inputs`."""
    _check_file_name(name, path, inputs, ".png", "a picture without loss")


def _check_file_name(name: str, path: Path, inputs: Iterable[str], suffix: str, result: str) -> None:
    if path.suffix.lower() != suffix:
        raise ValueError(f"{name} {path} must end in {suffix}; the result is {result}")
    if path.is_dir():
        raise ValueError(f"{name} {path} is a folder; give the name of a file")
    for given in inputs:
        if path.resolve() == Path(given).resolve():
            raise ValueError(f"{name} {path} would overwrite {given}, which it is made of; give another name")
    check_writable(name, path)


def check_writable(name: str, path: Path) -> None:
    """Raise ValueError when nothing can be written at `path`: the nearest folder that exists decides."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise ValueError(f"{name} {path} cannot be written, {folder} is no folder; give another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{name} {path} cannot be written, {folder} is closed to you; give another place")


def check_settings(request: Any, root: Path) -> None:
    """Check `settings` and `configfile` of a request by the schema of the config, where the limits stand."""
    if not (root / "Snakefile").is_file():
        raise ValueError(f"the workflow is not in {root}; install d2a with pip install -e from a checkout")
    whole = config.read(root / "config.yaml")
    if request.configfile is not None:
        if not request.configfile.is_file():
            raise ValueError(f"--configfile {request.configfile} does not exist; give a YAML file")
        whole = config.merged(whole, config.read(request.configfile))
    try:
        schema = config.read_schema(root / "schemas" / "config.schema.yaml")
        config.check(config.merged(whole, request.settings), schema)
    except ValueError as error:
        sentence = str(error)
        for name, key in KEYS.items():
            sentence = sentence.replace(f"config: {key} ", f"{option(name)} ")
        raise ValueError(sentence) from error


def _check_source(request: Request) -> None:
    if request.seed is None:
        check_photo("--source", request.photo, "a photo, or seed:N")


def check_photo(name: str, path: Path, wanted: str) -> None:
    """Raise ValueError unless `path` is a picture; `wanted` says what to give."""
    check_readable(name, path, wanted)
    with photos.open_photo(path) as photo:
        photo.load()


def _check_driving(name: str, path: Path) -> float:
    """Check a driver; returns how many seconds it lasts."""
    check_readable(name, path, "a video, a picture, or a driving table (.parquet)")
    return check_table(path) if path.suffix.lower() == ".parquet" else video_reading.probe(path).duration_s


def check_table(path: Path) -> float:
    """Check a landmark table; returns the time of its last row, in s."""
    table, _ = tables.read_driving(path)
    if "time_s" not in table.column_names or not len(table):
        raise ValueError(f"{path} has no row with a time_s; give a table as d2a makes them")
    return float(table["time_s"][-1].as_py())


def check_readable(name: str, path: Path, wanted: str) -> None:
    """Raise ValueError unless `path` is a file that may be read; `wanted` says what to give."""
    if path.is_dir():
        raise ValueError(f"{name} {path} is a folder; give {wanted}")
    if not path.exists():
        raise ValueError(f"{name} {path} does not exist; give {wanted}")
    if not path.is_file():
        raise ValueError(f"{name} {path} is no regular file; give {wanted}")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{name} {path} may not be read; give yourself the right to, or copy it")
