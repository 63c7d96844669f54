"""Check what a user asks for, before anything expensive begins."""

import logging
import math
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from d2a_core import config
from d2a_core.commands.morph_requests import MorphRequest, is_table
from d2a_core.commands.requests import (
    KEYS,
    NOT_FOR_FOOTAGE,
    PART_DRIVERS,
    PHOTO_ONLY,
    SCALED,
    Request,
    option,
    seed_of,
)
from d2a_core.media import photos, recognition, video_reading
from d2a_core.store import tables

LOG = logging.getLogger("d2a")
POSE = "a picture of a face, a landmark table (.parquet), or seed:N"
LONGEST_NAME = 240  # bytes, of a file: file systems keep 255, and the name of its manifest is longer
LIMITS = {"frames": (2, 10000), "fps": (1, 240)}  # of a morph


def check(request: Request, root: Path) -> None:
    """Raise ValueError, in one sentence, for the first mistake in `request`; the cheapest checks first."""
    (_check_source_clip if request.footage else check_source)(request, root)
    _check_drivers(request)
    for name, path in request.drivers.items():
        duration_s = _check_driving(option(name), path)
        if request.neutral is not None and request.neutral > duration_s:
            raise ValueError(
                f"--neutral is {request.neutral:g} s, but {path} lasts {duration_s:.2f} s; "
                "give the time of a frame in which the face is at rest"
            )


def check_all(requests: Sequence[Request], root: Path) -> None:
    """Raise ValueError for the first mistake in requests whose settings are alike; each file is read once."""
    known: set[str] = set()
    for request in requests:
        if not known.issuperset(request.inputs):
            check(request, root)
            known.update(request.inputs)
    for request in requests:
        _check_outputs(request, known)


def _check_drivers(request: Request) -> None:
    if not request.drivers:
        raise ValueError(f"nothing drives the source; give --driving, or {_any_of(PART_DRIVERS)}")
    for name in ("pose_from", "expression_from"):
        if request.driving is not None and name in request.drivers:
            raise ValueError(
                f"--driving moves head and face, and {option(name)} a part of them; give one or the other"
            )
    for path in filter(is_table, request.drivers.values()):
        if request.driver_face:
            raise ValueError(
                f"--driver-face chooses among people on a clip, but {path} is a landmark table; leave it out"
            )
    if request.neutral is not None and request.combined:
        raise ValueError(
            "--neutral is a time in one whole clip, but here parts of clips are put together; leave it out"
        )
    if request.motion == "absolute" and request.combined and "expression" not in request.parts:
        raise ValueError(
            "--motion absolute takes over a whole face; give --expression-from, or leave --motion out"
        )
    for scale in request.still:
        if getattr(request, scale) is not None:
            raise ValueError(f"{option(scale)} scales nothing without {_any_of(SCALED[scale])}; give both")


def _any_of(names: Sequence[str]) -> str:
    """Any of the options of several fields, in words."""
    *others, last = map(option, names)
    return f"{', '.join(others)} or {last}" if others else last


def check_footage(request: Request, root: Path) -> None:
    """Raise ValueError, in one sentence, for the first mistake in a request whose clip is to be edited."""
    if request.face is not None:
        raise ValueError("--face is for photos, but the source is a video; cut the clip to one person")
    check_writable("--work", request.work / "results")
    check_settings(request, root)
    clip = request.drivers["driving"]
    if is_table(clip):
        raise ValueError(f"{clip} is a landmark table; give a video that shows a face")
    _check_driving("the source", clip)


def _check_source_clip(request: Request, root: Path) -> None:
    """Raise ValueError for the first mistake in a request whose source is a video."""
    for name in NOT_FOR_FOOTAGE:
        if getattr(request, name):
            raise ValueError(f"{option(name)} is for photos, but --source is a video; leave it out")
    if request.all_faces:
        raise ValueError("--face all is for photos, but --source is a video; leave it out")
    _check_words(request)
    _check_outputs(request, request.inputs)
    check_settings(request, root)
    check_readable("--source", request.photo, "a photo or a video of a face, or seed:N")
    video_reading.probe(request.photo)


def check_source(request: Request, root: Path) -> None:
    """Raise ValueError, in one sentence, for the first mistake in all of `request` but the driver."""
    _check_words(request)
    _check_outputs(request, request.inputs)
    check_settings(request, root)
    _check_source(request)


def _check_words(request: Request) -> None:
    if request.source.startswith("seed:"):
        if request.seed is None:
            raise ValueError(f"--source is {request.source!r}; a seed is a whole number, such as seed:21")
        for name in PHOTO_ONLY:
            if getattr(request, name):
                raise ValueError(f"{option(name)} is for photos, but --source is a seed; leave it out")
        if request.all_faces:
            raise ValueError("--face all is for photos, but --source is a seed; leave it out")
    for name in ("neutral", "motion_scale", "pose_scale", "expression_scale", "fps", "slow_motion"):
        if not math.isfinite(getattr(request, name) or 0.0):
            raise ValueError(f"{option(name)} is {getattr(request, name)}; give a finite number")
    for name, least in (("face", 0), ("driver_face", 0), ("cores", 1), ("neutral", 0)):
        value = getattr(request, name)
        if value is not None and value < least:
            raise ValueError(f"{option(name)} is {value:g}, but it must be at least {least}")


def _check_outputs(request: Request, inputs: Collection[str]) -> None:
    if request.work.exists() and not request.work.is_dir():
        raise ValueError(f"--work {request.work} is no folder; give a folder, or the name of a new one")
    check_writable("--work", request.work / "results")
    for name in ("output", "side_by_side"):
        if getattr(request, name) is not None:
            check_video_name(option(name), getattr(request, name), inputs)
    output, both = request.output, request.side_by_side
    if output and both and both.resolve() == output.resolve():
        raise ValueError(f"--output and --side-by-side are both {output}; give two names")
    for name in ("side_by_side", "frames"):
        if request.all_faces and getattr(request, name) is not None:
            raise ValueError(f"{option(name)} shows one face, but --face is all; give the number of a face")
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
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise ValueError(f"{name} {path} has a name of more than {LONGEST_NAME} bytes; give a shorter one")
    for given in inputs:
        if os.path.realpath(path) == os.path.realpath(given):
            raise ValueError(f"{name} {path} would overwrite {given}, which it is made of; give another name")
    check_writable(name, path)


def check_writable(name: str, path: Path) -> None:
    """Raise ValueError when nothing can be written at `path`: the nearest folder that exists decides."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise ValueError(f"{name} {path} cannot be written, {folder} is no folder; give another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{name} {path} cannot be written, {folder} is closed to you; give another place")


def check_settings(request: Request | MorphRequest, root: Path) -> None:
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
    photos.read_photo(path)  # whole, as the stages do: they refuse nothing that passes here


def _check_driving(name: str, path: Path) -> float:
    """Check a driver; returns how many seconds it lasts."""
    if not (path.is_dir() and recognition.numbered(path)):
        numbered = "one of numbered pictures, " if path.is_dir() else ""
        check_readable(name, path, f"{numbered}a video, a picture, or a driving table (.parquet)")
    if is_table(path):
        return check_table(path)
    clip = video_reading.probe(path)
    for note in clip.notes:
        LOG.warning(note)
    return clip.duration_s


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
        what = "is a link that leads nowhere" if path.is_symlink() else "does not exist"
        raise ValueError(f"{name} {path} {what}; give {wanted}")
    if not path.is_file():
        raise ValueError(f"{name} {path} is no regular file; give {wanted}")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{name} {path} may not be read; give yourself the right to, or copy it")


def check_morph(wanted: MorphRequest, root: Path) -> None:
    """Raise ValueError, in one sentence, for the first mistake in `wanted`; the cheapest checks first."""
    _check_morph_numbers(wanted)
    _check_morph_places(wanted)
    check_settings(wanted, root)
    if is_table(wanted.face):
        shown = "A" if wanted.source is None else "--source"
        raise ValueError(
            f"{shown} {wanted.face} is a landmark table and shows nobody; give --source, a photo or seed:N"
        )
    for name, text in {"A": wanted.start, "B": wanted.end, "--source": wanted.face}.items():
        _check_pose(name, text)


def _check_morph_numbers(wanted: MorphRequest) -> None:
    for name, (least, most) in LIMITS.items():
        value = getattr(wanted, name)
        if not math.isfinite(value) or not least <= value <= most:
            raise ValueError(f"--{name} is {value:g}, but it must be from {least} to {most}")
    if wanted.cores is not None and wanted.cores < 1:
        raise ValueError(f"--cores is {wanted.cores}, but it must be at least 1")
    for name in ("method", "tune"):
        if getattr(wanted, name) and wanted.face.startswith("seed:"):
            raise ValueError(f"--{name} is for photos, but the source is {wanted.face}; leave it out")


def _check_morph_places(wanted: MorphRequest) -> None:
    if wanted.work.exists() and not wanted.work.is_dir():
        raise ValueError(f"--work {wanted.work} is no folder; give a folder, or the name of a new one")
    check_writable("--work", wanted.work / "results")
    check_video_name("--output", wanted.output, (wanted.start, wanted.end, wanted.face))


def _check_pose(name: str, text: str) -> None:
    if text.startswith("seed:"):
        if seed_of(text) is None:
            raise ValueError(f"{name} is {text!r}; a seed is a whole number, such as seed:21")
    elif is_table(text):
        check_readable(name, Path(text), POSE)
        check_table(Path(text))
    else:
        check_photo(name, Path(text), POSE)
