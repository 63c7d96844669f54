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
    """Contact sheet filled while the frames stream by: the source, then driver over result at even times."""

    def __init__(self, source: NDArray[np.uint8], *, frames: int, columns: int) -> None:
        self.source = source
        self.wanted = sorted({round(x) for x in np.linspace(0, frames - 1, min(columns, frames))})
        self.columns: list[tuple[float, NDArray, NDArray]] = []

    def offer(self, index: int, time_s: float, driver: NDArray, result: NDArray) -> None:
        """Keep this moment if it is wanted."""
        if index in self.wanted:
            self.columns.append((time_s, _tile(driver), _tile(result)))

    def draw(self) -> NDArray[np.uint8]:
        """Draw the sheet, u1 [H, W, 3]."""
        times, drivers, results = zip(*self.columns, strict=True)
        source = _tile(self.source)
        rows = [[source, *drivers], [source, *results]]
        captions = ["source", *(f"{time:.2f} s" for time in times)]
        return sheets.grid(rows, captions_left=["driver", "result"], captions_top=captions, tile=TILE)


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
    source: NDArray, driver: Iterable[Frame], result: Iterable[Frame], *, height: int, sheet: Sheet
) -> Iterator[NDArray[np.uint8]]:
    """Yield frames of source | driver | result, captioned, u1 [H, W, 3]; fill `sheet` on the way."""
    for left, right in zip(driver, result, strict=False):  # a container may announce one frame too many
        sheet.offer(right.index, right.time_s, left.image, right.image)
        panels = [source, left.image, right.image]
        yield sheets.side_by_side(panels, height=height, captions=PANELS)
