"""Options of `d2a animate` and its kin, each declared once, with its help, config key and form."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import click

# Fields of Request that name a clip: for a part of the driver, and all; those of which a scale needs one
PART_DRIVERS = ("pose_from", "expression_from", "lips_from", "eyes_from")
DRIVERS = ("driving", *PART_DRIVERS)
SCALED = {"pose_scale": PART_DRIVERS[:1], "expression_scale": PART_DRIVERS[1:]}
PHOTO_ONLY = ("face", "method", "tune", "paste_back")
NOT_FOR_FOOTAGE = (*PHOTO_ONLY, "preview", "surroundings", "fps", "slow_motion", "loop", "frames")
NAME_CHARS = 40


class _Path(click.Path):
    """A path that leads somewhere, be it to something that is not there yet."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as given; a link that leads to itself is refused, and any from a folder that is gone."""
        path: Any = super().convert(value, param, ctx)
        try:
            path.resolve()
        except FileNotFoundError:
            self.fail("the current folder has been deleted; go to another", param, ctx)
        except (RuntimeError, OSError):
            self.fail(f"{str(path)!r} is a link that leads to itself; give another", param, ctx)
        return path


PATH = _Path(path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])


def asked(
    help: str,
    *,
    default: Any = None,
    required: bool = False,
    key: str | None = None,
    form: str | None = None,
    metavar: str | None = None,
) -> Any:
    """Declare a field that is an option, with a `default` unless it is `required`.

    `help` is the text of the option, `key` the key of the config that it sets, `form` the part of the
    studio's page that shows it, `source` or `animation`.
    """
    facts = {"help": help, "required": required, "key": key, "form": form, "metavar": metavar}
    return field(default=MISSING if required else default, metadata=facts)


def kinds(cls: type) -> dict[str, type]:
    """Type of each field of a request, without the None that it may be instead."""
    return {name: (get_args(hint) or (hint,))[0] for name, hint in get_type_hints(cls).items()}


def options(cls: type, *names: str, **changes: Mapping[str, Any]) -> Callable[[Command], Command]:
    """Decorate a command with options for the fields `names` of a request, by default all that are `asked`.

    `changes` are words for `click.option` that differ, such as `help`, by field.
    """
    told = {each.name: each for each in fields(cls) if each.metadata}

    def decorate(command: Command) -> Command:
        for name in reversed(names or tuple(told)):
            command = _option(told[name], kinds(cls)[name], changes.get(name, {}))(command)
        return command

    return decorate


def _option(told: Field, kind: type, changes: Mapping[str, Any]) -> Callable[[Command], Command]:
    """The option of one field: a number's default is shown, a switch without a default has two sides."""
    words = {name: told.metadata[name] for name in ("help", "required", "metavar")}
    name = option(told.name)
    if kind is bool:
        off = f"/--no-{name[2:]}" if told.default is None else ""
        return click.option(name + off, **{"is_flag": True, "default": told.default, **words, **changes})
    if isinstance(told.default, (int, float)):
        words |= {"default": told.default, "show_default": True}
    return click.option(name, **{"type": PATH if kind is Path else kind, **words, **changes})


def option(name: str) -> str:
    """The option of a field."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of `d2a animate`; None leaves a setting to the config.

    `source` is the path of a photo or of a video, or `seed:N`, `driving` that of a video, a picture or a
    driving table, `work` the folder where stages are cached. In place of `driving`, the head may follow
    `pose_from` and the face `expression_from`; in place of either's, lips may follow `lips_from` and eyes
    `eyes_from`. What no clip drives stays as on the source. `output` gets the video (None: it stays there),
    `side_by_side` a copy of the comparison, the folder `frames` png pictures. `face` N is the N-th largest
    on the photo, 0 the largest; `driver_face` N that of each clip, 0 whoever is seen.
    """

    source: str = asked(
        "Photo or video of a face, or seed:N for a face that does not exist. A video stays as it is but for "
        "what is driven, and keeps its sound unless a driver with sound moves the lips.",
        required=True,
    )
    driving: Path | None = asked("Video or picture of a face, or a driving table (.parquet).")
    pose_from: Path | None = asked("In its place: what the head follows.")
    expression_from: Path | None = asked("In its place: what mouth, eyes and brows follow.")
    lips_from: Path | None = asked("What lips and jaw follow, alone or in place of the above.")
    eyes_from: Path | None = asked("What lids and pupils follow, alone or in place of the above.")
    output: Path | None = asked("The video to write.  [default: <source>--<driving>.mp4]")
    work: Path = asked("Folder where stages are cached.  [default: that of the project]", default=MISSING)
    face: int | None = asked("Which face of the photo: 1 the largest, 2 the next, …", form="source")
    driver_face: int | None = asked(
        "Which face of the clip drives, and no other: 1 the largest at first, 2 the next, …", metavar="N"
    )
    all_faces: bool = False  # each face of the photo moves, and all are put back into it; `face` is None then
    motion: str | None = asked(
        "relative (keeps the source's face shape) or absolute (the paper).",
        key="animations.motion",
        form="animation",
    )
    neutral: float | None = asked(
        "When the driver's face is at rest.",
        key="animations.neutral_s",
        form="animation",
        metavar="SECONDS",
    )
    rest_lips: str | None = asked(
        "driver (an open mouth starts closed) or source (as on the photo).",
        key="animations.rest_lips",
        form="animation",
    )
    motion_scale: float | None = asked(
        "Strength of all motion, 1 is the driver's.", key="animations.motion_scale", form="animation"
    )
    pose_scale: float | None = asked(
        "Strength of the head's turns.", key="animations.pose_scale", form="animation"
    )
    expression_scale: float | None = asked(
        "Strength of mouth, eyes and brows.", key="animations.expression_scale", form="animation"
    )
    refinements: int | None = asked(
        "Gradient steps of each pose of the clip: nearer, and slower.", key="animations.refinements"
    )
    fan: str | None = asked(
        "all, or groups: one network for the head and one for the face.", key="animations.fan"
    )
    fps: float | None = asked("Frames a second of the video.  [default: the driver's]", key="animations.fps")
    slow_motion: float | None = asked(
        "How much longer than the driver it lasts.", key="animations.slow_motion", metavar="TIMES"
    )
    loop: bool | None = asked("End where it began, to play without end.", key="animations.loop")
    surroundings: str | None = asked(
        "What is the photo's: photo (skin, hair, backdrop), face (all but the face) or generator (nothing).",
        key="animations.surroundings",
    )
    method: str | None = asked(
        "How the photo is inverted; see `inversion` in config.yaml.", key="inversion.method", form="source"
    )
    tune: bool | None = asked(
        "Tune the generator to the photo: closer, and slower.", key="inversion.tune", form="source"
    )
    preview: bool = asked(
        "A first look in about half a minute: 512 px, 10 frames a second, lips move less.", default=False
    )
    paste_back: bool = asked("Blend the face into the uncropped photo.", default=False, form="animation")
    side_by_side: Path | None = asked("Also write source, driver and result beside one another.")
    frames: Path | None = asked("Also write the frames as png pictures.", metavar="FOLDER")
    cores: int | None = asked("Processors to use.  [default: all]")
    configfile: Path | None = asked("YAML file over config.yaml.")
    dry_run: bool = asked("Only say which stages would run.", default=False)

    @property
    def seed(self) -> int | None:
        """N of a source `seed:N`; None for a photo."""
        return seed_of(self.source)

    @property
    def footage(self) -> bool:
        """Whether the source is a video, in which its person is driven."""
        from d2a_core.media.recognition import kind_of_file  # with decoders, for which no other option waits

        return self.photo.is_file() and kind_of_file(self.photo).words == "a video"

    @property
    def photo(self) -> Path:
        """Path of a source that is no seed."""
        return Path(self.source)

    @property
    def drivers(self) -> dict[str, Path]:
        """The clips that drive, by the field that names them."""
        return {name: getattr(self, name) for name in DRIVERS if getattr(self, name) is not None}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Source and clips, as they were given."""
        return (self.source, *map(str, self.drivers.values()))

    @property
    def parts(self) -> dict[str, Path]:
        """The clips that drive, by the part of the driver that is theirs."""
        whole = {} if self.driving is None else {"pose": self.driving, "expression": self.driving}
        own = {name.removesuffix("_from"): getattr(self, name) for name in PART_DRIVERS}
        return whole | {part: path for part, path in own.items() if path is not None}

    @property
    def combined(self) -> bool:
        """Whether parts of clips are put together: there are several, or one moves but a region."""
        return len(self.drivers) > 1 or not self.parts.keys() <= {"pose", "expression"}

    @property
    def still(self) -> dict[str, float]:
        """The scales of what no clip drives, 0."""
        if self.driving is not None or not self.drivers:
            return {}
        return {scale: 0.0 for scale, names in SCALED.items() if self.drivers.keys().isdisjoint(names)}

    @property
    def configfiles(self) -> list[Path]:
        """Files to lay over the config of the project."""
        return [] if self.configfile is None else [self.configfile]

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The config keys that the options set, by section."""
        found: dict[str, dict[str, Any]] = {"animations": self.still} if self.still else {}
        for name, key in KEYS.items():
            section, _, leaf = key.partition(".")
            if (value := getattr(self, name)) is not None:
                found.setdefault(section, {})[leaf] = value
        return found


KEYS = {
    each.name: each.metadata["key"] for each in fields(Request) if each.metadata.get("key")
}  # of the config
FIELDS = {  # that each form of the studio's page shows, and what they must be
    form: {
        each.name: kinds(Request)[each.name] for each in fields(Request) if each.metadata.get("form") == form
    }
    for form in ("source", "animation")
}


@dataclass(frozen=True, kw_only=True)
class Values:
    """Values of the controls in `d2a edit`; None leaves one at rest."""

    yaw: float | None = asked("Turn the head to the right of the picture.", metavar="DEGREES")
    pitch: float | None = asked("Turn the head up.", metavar="DEGREES")
    mouth_open: float | None = asked("Lips apart, in % of the distance of the eyes.", metavar="%")
    smile: float | None = asked("Corners of the mouth apart and up, each by so much of it.", metavar="%")
    eyes_closed: float | None = asked("Lids together: 100 is shut.", metavar="%")
    left_eye_closed: float | None = asked("The same, of the eye on the left of the picture.", metavar="%")
    right_eye_closed: float | None = asked("The same, on the right.", metavar="%")
    brows_up: float | None = asked("Brows away from the eyes, in % of their distance.", metavar="%")
    gaze_x: float | None = asked("Pupils to the right of the picture, in % of it.", metavar="%")
    gaze_y: float | None = asked("Pupils down, in % of it.", metavar="%")


def default_output(source: str, *drivers: Path | None) -> Path:
    """`<source>--<clip>.mp4` in the current folder; `<clip>-and-<clip>` with several clips."""
    given = dict.fromkeys(path for path in drivers if path is not None)
    clips = "-and-".join(slug(path.stem, "clip") for path in given)
    return Path(f"{slug(Path(source).stem, 'photo')}--{clips}.mp4")


def slug(stem: str, fallback: str) -> str:
    """Letters and digits of `stem` with single hyphens between them, as names in the config are."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain)[:NAME_CHARS].strip("-") or fallback


def seed_of(text: str) -> int | None:
    """N of `seed:N`; None for anything else."""
    return int(text[5:]) if re.fullmatch(r"seed:\d+", text, re.ASCII) else None
