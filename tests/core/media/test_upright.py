"""A clip is shown as every player shows it: turned and mirrored."""

from fractions import Fraction

import av
import numpy as np
import pytest
from odd_clips import HEIGHT, WIDTH, mux

from d2a_core.media import video_reading

FOUR = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40]], np.uint8)
ONE = 1 << 16
ORIENTATIONS = {  # EXIF's number → a, b, c, d of the matrix (ISO 14496-12, 8.3.2), where corners 0 1 2 3 go
    1: ((ONE, 0, 0, ONE), "0123"),
    2: ((-ONE, 0, 0, ONE), "1032"),
    3: ((-ONE, 0, 0, -ONE), "3210"),
    4: ((ONE, 0, 0, -ONE), "2301"),
    5: ((0, ONE, ONE, 0), "0213"),
    6: ((0, ONE, -ONE, 0), "2031"),
    7: ((0, -ONE, -ONE, 0), "3120"),
    8: ((0, -ONE, ONE, 0), "1302"),
}


def corners(width=WIDTH, height=HEIGHT):
    """Red, green above blue, yellow."""
    return np.kron(FOUR.reshape(2, 2, 3), np.ones((height // 2, width // 2, 1), np.uint8))


def clip(path, matrix):
    """Three such pictures with a display matrix."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv444p"
    encoder.framerate, encoder.time_base = Fraction(30), Fraction(1, 30)
    made = []
    for number in range(3):
        frame = av.VideoFrame.from_ndarray(corners(), format="rgb24").reformat(format="yuv444p")
        frame.pts = number
        made += encoder.encode(frame)
    whole = (*matrix[:2], 0, *matrix[2:], 0, 0, 0, 1 << 30)
    return mux(path, [*made, *encoder.encode()], matrix=whole, form="yuv444p")


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("number", ORIENTATIONS)
def test_all_eight_orientations_are_shown_upright(tmp_path, number, suffix):
    matrix, order = ORIENTATIONS[number]
    path = clip(tmp_path / f"a.{suffix}", matrix)
    info, image = video_reading.probe(path), next(video_reading.read_frames(path)).image
    assert (
        image.shape[:2] == (info.height, info.width) == ((WIDTH, HEIGHT) if number > 4 else (HEIGHT, WIDTH))
    )
    assert info.is_mirrored == (number in (2, 4, 5, 7))
    height, width = image.shape[:2]
    for place, corner in enumerate(order):
        y, x = (place // 2 * 2 + 1) * height // 4, (place % 2 * 2 + 1) * width // 4
        np.testing.assert_allclose(image[y, x], FOUR[int(corner)], atol=6)


@pytest.mark.parametrize(
    ("matrix", "order"),
    [
        ((3 * ONE, 0, 0, 3 * ONE), "0123"),  # a scale is no turn
        ((-9, ONE, -ONE, 9), "2031"),  # rounding
        ((0, 0, 0, 0), "0123"),  # nothing at all
    ],
)
def test_a_matrix_that_is_no_plain_turn_is_taken_for_the_nearest(tmp_path, matrix, order):
    image = next(video_reading.read_frames(clip(tmp_path / "a.mp4", matrix))).image
    height, width = image.shape[:2]
    np.testing.assert_allclose(image[height // 4, width // 4], FOUR[int(order[0])], atol=6)
    np.testing.assert_allclose(image[height // 4, 3 * width // 4], FOUR[int(order[1])], atol=6)
