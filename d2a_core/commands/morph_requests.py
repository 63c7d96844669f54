"""Options of `d2a morph`."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from d2a_core.commands.requests import asked, slug


@dataclass(frozen=True, kw_only=True)
class MorphRequest:
    """The options of `d2a morph`; None leaves a setting to the config.

    `start` and `end` are poses: the path of a picture or of a landmark table, or `seed:N`. `source` is the
    face that takes them, the path of a photo or `seed:N`; None is that of `start`. `motion` None asks for the
    landmarks of the poses as they are where both are of one person, that of `start`, and for relative motion
    where a `source` takes the poses of others.
    """

    start: str
    end: str
    source: str | None = asked("Photo or seed:N whose face takes the poses.  [default: A]")
    frames: int = asked("Frames from A to B.", default=50)
    fps: float = asked("Frames a second.", default=25.0)
    loop: bool = asked("Come back by the same way, to play without end.", default=False)
    motion: str | None = asked(
        "absolute (A and B are one person) or relative (others).  [default: by --source]"
    )
    output: Path = asked("The video to write.  [default: <A>--<B>.mp4]", default=MISSING)
    work: Path = asked("Folder where stages are cached.  [default: that of the project]", default=MISSING)
    method: str | None = asked("How a photo is inverted; see `inversion` in config.yaml.")
    tune: bool | None = asked("Tune the generator to the photo: closer, and slower.")
    cores: int | None = asked("Processors to use.  [default: all]")
    configfile: Path | None = asked("YAML file over config.yaml.")
    dry_run: bool = asked("Only say which stages would run.", default=False)

    @property
    def face(self) -> str:
        """The source."""
        return self.start if self.source is None else self.source

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The config keys that the options set, by section."""
        found = {name: getattr(self, name) for name in ("method", "tune")}
        given = {name: value for name, value in found.items() if value is not None}
        motion = self.motion or ("absolute" if self.source is None else "relative")
        return {"animations": {"motion": motion}} | ({"inversion": given} if given else {})


def is_table(path: str | Path) -> bool:
    """Tell whether a pose or a driver is a landmark table, by its content; by its name if it is no file."""
    from d2a_core.media.recognition import kind_of_file  # nobody who asks for help should wait for FFmpeg

    path = Path(path)
    return kind_of_file(path).name == "table" if path.is_file() else path.suffix.lower() == ".parquet"


def default_output(start: str, end: str) -> Path:
    """`<A>--<B>.mp4` in the current folder."""
    return Path("--".join(slug(Path(text).stem, "face") for text in (start, end)) + ".mp4")
