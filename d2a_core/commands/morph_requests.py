"""What a user asks `d2a morph` for, checked before anything expensive begins."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2a_core.commands import requests

POSE = "a picture of a face, a landmark table (.parquet), or seed:N"
LIMITS = {"frames": (2, 10000), "fps": (1, 240)}


@dataclass(frozen=True)
class MorphRequest:
    """The options of `d2a morph`; None leaves a setting to the config.

    `start` and `end` are poses: the path of a picture or of a landmark table, or `seed:N`. `source` is the
    face that takes them, the path of a photo or `seed:N`; None is that of `start`. `motion` None asks for the
    landmarks of the poses as they are where both are of one person, that of `start`, and for relative motion
    where a `source` takes the poses of others.
    """

    start: str
    end: str
    output: Path
    work: Path
    source: str | None = None
    frames: int = 50
    fps: float = 25.0
    loop: bool = False
    motion: str | None = None
    method: str | None = None
    tune: bool | None = None
    cores: int | None = None
    configfile: Path | None = None
    dry_run: bool = False

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


def is_table(text: str) -> bool:
    """Whether a pose is a landmark table."""
    return text.lower().endswith(".parquet")


def default_output(start: str, end: str) -> Path:
    """`<A>--<B>.mp4` in the current folder."""
    return Path("--".join(requests.slug(Path(text).stem, "face") for text in (start, end)) + ".mp4")


def check(wanted: MorphRequest, root: Path) -> None:
    """Raise ValueError, in one sentence, for the first mistake in `wanted`; the cheapest checks first."""
    _check_numbers(wanted)
    _check_places(wanted)
    requests.check_settings(wanted, root)
    if is_table(wanted.face):
        shown = "A" if wanted.source is None else "--source"
        raise ValueError(
            f"{shown} {wanted.face} is a landmark table and shows nobody; give --source, a photo or seed:N"
        )
    for name, text in {"A": wanted.start, "B": wanted.end, "--source": wanted.face}.items():
        _check_face(name, text)


def _check_numbers(wanted: MorphRequest) -> None:
    for name, (least, most) in LIMITS.items():
        value = getattr(wanted, name)
        if not math.isfinite(value) or not least <= value <= most:
            raise ValueError(f"--{name} is {value:g}, but it must be from {least} to {most}")
    if wanted.cores is not None and wanted.cores < 1:
        raise ValueError(f"--cores is {wanted.cores}, but it must be at least 1")
    for name in ("method", "tune"):
        if getattr(wanted, name) and wanted.face.startswith("seed:"):
            raise ValueError(f"--{name} is for photos, but the source is {wanted.face}; leave it out")


def _check_places(wanted: MorphRequest) -> None:
    if wanted.work.exists() and not wanted.work.is_dir():
        raise ValueError(f"--work {wanted.work} is no folder; give a folder, or the name of a new one")
    requests.check_writable("--work", wanted.work / "results")
    requests.check_video_name("--output", wanted.output, (wanted.start, wanted.end, wanted.face))


def _check_face(name: str, text: str) -> None:
    if text.startswith("seed:"):
        if requests.seed_of(text) is None:
            raise ValueError(f"{name} is {text!r}; a seed is a whole number, such as seed:21")
    elif is_table(text):
        requests.check_readable(name, Path(text), POSE)
        requests.check_table(Path(text))
    else:
        requests.check_photo(name, Path(text), POSE)
