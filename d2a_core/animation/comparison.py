"""Show source, driver and result beside one another, as a video and as a contact sheet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d2a_core.media import resampling, sheets
from d2a_core.media.timestamps import TIE_S
from d2a_core.media.video_reading import Frame

TILE = 256  # px, of the sheet
PANELS = ("source", "driver", "result")


@dataclass(frozen=True)
class Options:
    """Config section `animations.comparison`: height of the video in px, moments on the sheet."""

    height: int
    sheet_columns: int


class Sheet:
    """Contact sheet filled while the frames stream by: driver over result at even times.

    A `source` that is a picture stands before them; one that moves, None, is a row above them.
    """

    def __init__(self, source: NDArray[np.uint8] | None, *, frames: int, columns: int) -> None:
        self.source = source
        self.wanted = sorted({round(x) for x in np.linspace(0, frames - 1, min(columns, frames))})
        self.columns: list[tuple[float, NDArray, NDArray, NDArray]] = []

    def offer(self, index: int, time_s: float, *panels: NDArray) -> None:
        """Keep this moment of the `PANELS` if it is wanted."""
        if index in self.wanted:
            source, driver, result = map(_tile, panels)
            self.columns.append((time_s, source, driver, result))

    def draw(self) -> NDArray[np.uint8]:
        """Draw the sheet, u1 [H, W, 3]."""
        times, *shown = zip(*self.columns, strict=True)
        rows, captions, left = [list(row) for row in shown], [f"{time:.2f} s" for time in times], [*PANELS]
        if self.source is not None:
            still = _tile(self.source)
            rows, captions, left = [[still, *row] for row in rows[1:]], ["source", *captions], left[1:]
        return sheets.grid(rows, captions_left=left, captions_top=captions, tile=TILE)


def _tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return resampling.resize(image[None], TILE)[0]


def behind(driver: Iterable[Frame], time_s: NDArray) -> Iterator[Frame]:
    """Yield the driver's frame next to each moment `time_s` [T]; the moments rise, its last frame stays."""
    frames = iter(driver)
    now = next(frames)
    after: Frame | None = now
    for moment in time_s:
        while after is not None and (now.time_s + after.time_s) / 2 <= moment + TIE_S:
            now, after = after, next(frames, None)
        yield now


def side_by_side(
    source: Iterable[NDArray], driver: Iterable[Frame], result: Iterable[Frame], *, height: int, sheet: Sheet
) -> Iterator[NDArray[np.uint8]]:
    """Yield frames of source | driver | result, captioned, u1 [H, W, 3]; fill `sheet` on the way."""
    for still, left, right in zip(source, driver, result, strict=False):  # a container may announce too many
        panels = [still, left.image, right.image]
        sheet.offer(right.index, right.time_s, *panels)
        yield sheets.side_by_side(panels, height=height, captions=PANELS)
