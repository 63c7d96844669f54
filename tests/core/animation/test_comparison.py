import numpy as np
import pytest

from d2a_core.animation import comparison
from d2a_core.media.video_reading import Frame


def test_sheet_keeps_evenly_spaced_moments():
    source = np.zeros((20, 20, 3), np.uint8)
    sheet = comparison.Sheet(source, frames=9, columns=3)
    for index in range(9):
        sheet.offer(index, index / 10, source, source + index, source + 2 * index)
    assert [time for time, *_ in sheet.columns] == pytest.approx([0, 0.4, 0.8])
    assert sheet.draw().ndim == 3


def test_a_source_that_moves_is_a_row_of_its_own():
    colours = (np.full((20, 20, 3), colour, np.uint8) for colour in (40, 120, 200))
    sheet = comparison.Sheet(None, frames=1, columns=3)
    sheet.offer(0, 0.0, *colours)
    column = sheet.draw()[:, -comparison.TILE // 2, 0].tolist()
    seen = [colour for colour in dict.fromkeys(column) if column.count(colour) > comparison.TILE / 2]
    assert [colour for colour in seen if colour < 255] == [40, 120, 200]


def test_the_driver_is_shown_at_the_nearest_moment():
    frames = [Frame(i, i / 25, np.full((2, 2, 3), i, np.uint8)) for i in range(3)]
    shown = [frame.index for frame in comparison.behind(iter(frames), np.arange(14) / 100)]
    assert shown == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2]
    assert [frame.index for frame in comparison.behind(iter(frames), np.array([0.0, 0.08]))] == [0, 2]
