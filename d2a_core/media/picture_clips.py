"""Pictures as clips: a still one, an animated WebP or AVIF, a folder of numbered ones."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from d2a_core.media import photos
from d2a_core.media.recognition import UNREADABLE, kind_of_picture, numbered
from d2a_core.media.timestamps import UNKNOWN_HZ, nominal_rate
from d2a_core.store import manifests

LOG = logging.getLogger("d2a")
BY_FFMPEG = ("GIF", "PNG")  # animated ones of these formats are clips to FFmpeg, too
UNTIMED_S = 0.1  # of a picture that is to be shown for no time at all, as in browsers
SAME_SHAPE = 0.02  # relative difference of aspect ratios
Timed = tuple[float, float, NDArray[np.uint8]]  # seconds after the first, seconds it lasts, u1 [H, W, 3]


@dataclass(frozen=True)
class PictureClip:
    """A clip of pictures at `path`, how many and at which rate in Hz; `notes` say what is unusual in it."""

    path: Path
    rate: Fraction
    lasts_s: tuple[float, ...]
    notes: tuple[str, ...] = ()

    @property
    def times_s(self) -> tuple[float, ...]:
        """When each picture is shown, in s after the first."""
        return (0.0, *accumulate(self.lasts_s[:-1]))

    def pictures(self) -> Iterator[Timed]:
        """The pictures, one at a time, of the size of the first; what is damaged is left out.

        Raises ValueError where there is none, or where one has another shape.
        """
        size, damaged = None, 0
        for time_s, lasts_s, image in zip(self.times_s, self.lasts_s, _images(self.path), strict=False):
            if image is None:
                damaged += 1
                continue
            size = size or image.shape[:2]
            yield time_s, lasts_s, _alike(image, size, self.path)
        if size is None:
            raise ValueError(f"{self.path} holds no picture that can be read; give a clip that shows a face")
        if damaged:
            LOG.warning("%s: %d pictures are damaged, others stand in for them", self.path, damaged)


def opened(path: str | Path) -> PictureClip | None:
    """The clip that a picture or a folder of pictures is; None for all that FFmpeg reads.

    Raises ValueError for a picture that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        count = len(numbered(path))
        note = f"{path} is a folder; its {count} pictures are shown at {UNKNOWN_HZ} a second"
        return PictureClip(path, UNKNOWN_HZ, (float(1 / UNKNOWN_HZ),) * count, (note,)) if count else None
    found = kind_of_picture(path) if path.is_file() else None
    if found is None:
        return None
    manifests.check(path)  # a decoder makes pictures of damaged bytes too
    if found.name == "picture":
        return PictureClip(path, UNKNOWN_HZ, (float(1 / UNKNOWN_HZ),))
    with photos.open_photo(path) as image:
        if image.format in BY_FFMPEG:
            return None
        lasts_s = tuple(_durations(image, path))
    if not lasts_s:
        raise ValueError(f"{path} holds no picture that can be read; give a clip that shows a face")
    times_s = np.cumsum((0.0, *lasts_s[:-1]))
    return PictureClip(path, nominal_rate(times_s, []), lasts_s)


def _images(path: Path) -> Iterator[NDArray[np.uint8] | None]:
    """Pictures u1 [H, W, 3] one after the other; None in place of one that cannot be read."""
    if path.is_dir():
        for file in numbered(path):
            try:
                yield photos.read_photo(file).image
            except ValueError:
                yield None
        return
    found = kind_of_picture(path)
    if found is not None and found.name == "picture":
        yield photos.read_photo(path).image
        return
    with photos.open_photo(path) as image:
        for _ in _durations(image, path):
            yield photos.flattened(image)


def _durations(image: Image.Image, path: Path) -> Iterator[float]:
    """Turn to each picture of an animation that can be decoded, and tell how many s it is shown."""
    for number in range(getattr(image, "n_frames", 1)):
        try:
            image.seek(number)
            image.load()
        except UNREADABLE:
            LOG.warning("%s: its pictures from the %dth on are damaged", path, number + 1)
            return
        yield float(image.info.get("duration") or 0) / 1000 or UNTIMED_S


def _alike(image: NDArray[np.uint8], size: tuple[int, int], path: Path) -> NDArray[np.uint8]:
    """A picture at the size of the first."""
    if image.shape[:2] == size:
        return image
    (height, width), (rows, columns) = size, image.shape[:2]
    if abs(columns * height / (rows * width) - 1) > SAME_SHAPE:
        raise ValueError(
            f"{path} turns from {width}×{height} into {columns}×{rows} on the way; leave such pictures out"
        )
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
