"""Decoded frames as players show them: upright, in square pixels, in ordinary colours."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.sidedata.sidedata import SideData
from numpy.typing import NDArray

from d2a_core.media import colours

ASPECT_SLACK = 0.02  # rounding to even sides
MOST_OBLONG = 4  # of a pixel: no camera has more, damage has any
MATRIX_BYTES = 36  # 3 × 3 of 32 bits, ISO 14496-12, 8.3.2


class Upright:
    """Make pictures of the frames of a clip, all like its `first` one. `ratio` is width:height of pixels."""

    def __init__(self, path: str | Path, first: av.VideoFrame, ratio: Fraction | None) -> None:
        self.path, self.matrix = path, _matrix(first)
        self.ratio = ratio if ratio and 1 / MOST_OBLONG <= ratio <= MOST_OBLONG else Fraction(1)
        self.stored = self._square(first)

    @property
    def width(self) -> int:
        """Width of the pictures in px."""
        return self.stored[self._is_on_its_side]

    @property
    def height(self) -> int:
        """Height of the pictures in px."""
        return self.stored[not self._is_on_its_side]

    @property
    def is_mirrored(self) -> bool:
        """Whether the frame as stored is a mirror image."""
        return bool(np.linalg.det(self.matrix) < 0)

    @property
    def turn(self) -> int:
        """Degrees clockwise that bring the frame upright, once a mirror image is mirrored left to right."""
        x, y = self.matrix[0] * (-1 if self.is_mirrored else 1)
        return round(np.degrees(np.arctan2(y, x)) / 90) % 4 * 90

    @property
    def _is_on_its_side(self) -> bool:
        return self.turn in (90, 270)

    def picture(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Picture u1 [H, W, 3] of a frame, at the size of the first; conferences send smaller ones at times.

        Raises ValueError for one of another shape.
        """
        (width, height), sides = self._square(frame), self.stored
        if abs(width * sides[1] / (height * sides[0]) - 1) > ASPECT_SLACK:
            raise ValueError(
                f"{self.path} turns from {sides[0]}×{sides[1]} into {width}×{height} on the way; cut it there"
            )
        image = colours.to_rgb(frame, *sides)
        image = image[:, ::-1] if self.is_mirrored else image
        return np.ascontiguousarray(np.rot90(image, -self.turn // 90))

    def _square(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height in square pixels of a frame as it is stored; anamorphic ones are widened."""
        return round(frame.width * self.ratio), frame.height


def _matrix(frame: av.VideoFrame) -> NDArray[np.float64]:
    """Directions on the screen of a frame's x and y axis, [2, 2]; `frame.rotation` tells no mirror."""
    try:
        found = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # a frame that carries what PyAV has no name for, as spatial video does
        turn = np.radians(-frame.rotation)
        return np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    if not isinstance(found, SideData) or found.buffer_size != MATRIX_BYTES:
        return np.eye(2)
    matrix = np.frombuffer(memoryview(found), np.int32).reshape(3, 3)[:2, :2].astype(np.float64)
    return matrix if np.linalg.det(matrix) else np.eye(2)
