"""Eyes and lips of a face as regions of its picture, and how far they are open."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from d2a_core.faces.schemes import Scheme

SOFT = 0.004  # of the side: sigma of the edges of regions
OPEN = (0.45, 0.85)  # of their opening at rest: an eye or a mouth is another one at the first
HARDLY = 0.02  # of the width of an eye or a mouth: opening that is none
LIDS, TEETH = 0.02, 0.005  # of the side: rims of eyes and of the inner lips that open and close with them


def outlines(points: NDArray, scheme: Scheme) -> list[NDArray]:
    """Outlines [K, 2] of eyes and lips of a face with landmarks `points` [P, 2]."""
    return [points[list(line)] for line in (scheme.left_eye, scheme.right_eye, scheme.parts["mouth"][:12])]


def filled(lines: Sequence[NDArray], size: int, *, rim: float = 0.0) -> NDArray[np.float32]:
    """Soft mask [size, size] of what lies within any of some outlines [K, 2], or on their `rim`.

    Both are in fractions of the side.
    """
    canvas = np.zeros((size, size), np.float32)
    for outline in lines:
        line = np.rint(outline * size * 16).astype(np.int32)  # in sixteenths of a pixel
        cv2.fillPoly(canvas, [line], 1.0, lineType=cv2.LINE_AA, shift=4)
        if rim:
            cv2.polylines(canvas, [line], True, 1.0, thickness=max(1, round(2 * rim * size)), shift=4)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), SOFT * size, borderType=cv2.BORDER_REPLICATE))


def as_open(points: NDArray, rest: NDArray, scheme: Scheme, size: int) -> NDArray[np.float32]:
    """Share [size, size] of eyes and mouth of a face [P, 2] that are as open as those `rest` [P, 2].

    It is 1 beside them. A shut eye is a lid with lashes, no narrow eye, and lips that part show other teeth;
    an eye that is opened wide is still that eye.
    """
    share = np.ones((size, size), np.float32)
    lines = scheme.left_eye, scheme.right_eye, scheme.parts["mouth"][12:]
    for line, pairs, rim in zip(lines, scheme.openings, (LIDS, LIDS, TEETH), strict=True):
        here, there = points[list(line)], rest[list(line)]
        ratio = opening(points, line, pairs) / opening(rest, line, pairs)
        like = min(ratio, 1 if rim == LIDS else 1 / ratio)
        least, whole = OPEN
        both = [here, there + here.mean(axis=0) - there.mean(axis=0)] if rim == LIDS else [here]
        share *= 1 - float(np.clip((whole - like) / (whole - least), 0, 1)) * filled(both, size, rim=rim)
    return share


def opening(points: NDArray, line: Sequence[int], pairs: Sequence[tuple[int, int]]) -> float:
    """How far an eye or a mouth with outline `line` is open, in widths; `pairs` are opposite points."""
    width = np.linalg.norm(points[line[0]] - points[line[len(line) // 2]])
    gaps = [np.linalg.norm(points[upper] - points[lower]) for upper, lower in pairs]
    return float(np.mean(gaps) / width) + HARDLY
