"""Stretches of a clip: frames in a row of one shot that show a face. What lies between them is left alone.

Every stretch starts anew: what a filter, an optimizer or a neighbour remembers of the frames before a cut is
of another picture, perhaps of another person.
"""

import numpy as np
import pyarrow
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from d2a_core.animation.filters import runs
from d2a_core.faces import geometry
from d2a_core.faces.schemes import scheme_of
from d2a_core.store import tables

NOBODY = -1  # number of the stretch of a frame without a face
LEAST = 5  # frames of a stretch that a clip may start from, if it has one
SURE = 0.9  # share of the best score of its stretch that a frame to start from has
TURNED_DEGREES = 25.0  # by which the head of a good frame to start from is turned at most
WIDE, OPEN = 0.8, 0.6  # quantile of how open eyes are in its stretch, and share of it that it has at least
FADE = 4  # frames over which a change fades where a face comes or goes within a shot


def stretches(table: pyarrow.Table) -> NDArray[np.int64]:
    """Number [T] of the stretch of each frame of a tracked clip, from 0; `NOBODY` where there is no face.

    A pose that is only held is no face: it may be away for good. A short gap within a shot, which is
    interpolated, is one: a tracker that blinks would switch a change off for a frame.
    """
    seen = ~_column(table, "held")
    key = np.where(seen, _column(table, "shot"), NOBODY)
    number = np.full(len(table), NOBODY, np.int64)
    for index, run in enumerate(run for run in runs(key) if seen[run][0]):
        number[run] = index
    return number


def starts(table: pyarrow.Table) -> NDArray[np.int64]:
    """Frame [S] to start from in each of the `stretches`: the first that shows its face well.

    That is a face that was found for sure, looks forward and has its eyes open; failing that, the one that
    comes nearest.
    """
    number = stretches(table)
    points = tables.points_array(table, "canonical")
    angles = tables.angles_array(table)
    eyes = geometry.attributes(points, points, angles, scheme_of(points.shape[1]))["eye_opening"]
    turned = np.abs(angles[:, :2]).max(axis=1)
    score = np.where(_column(table, "found"), _column(table, "score"), 0.0)
    chosen = []
    for index in range(number.max() + 1):
        rows = np.flatnonzero(number == index)
        faults = (
            np.maximum(SURE - score[rows] / max(score[rows].max(), 1e-6), 0)
            + np.maximum(turned[rows] / TURNED_DEGREES - 1, 0)
            + np.maximum(OPEN - eyes[rows] / max(np.quantile(eyes[rows], WIDE), 1e-6), 0)
        )
        chosen.append(rows[np.argmin(faults)])
    return np.array(chosen, np.int64)


def first(table: pyarrow.Table) -> int:
    """Frame that the clip as a whole starts from: of its first stretch that is no mere moment.

    Raises ValueError for a clip in which a face is nowhere seen.
    """
    number = stretches(table)
    lengths = np.bincount(number[number >= 0])
    if not len(lengths):
        raise ValueError("no frame of the clip shows a face; choose a clip that shows one")
    lasting = lengths >= LEAST
    return int(starts(table)[lasting.argmax() if lasting.any() else lengths.argmax()])


def eased(shown: NDArray[np.bool_], shot: NDArray) -> NDArray[np.float64]:
    """Share [T] of a change in each frame: 0 where it is not `shown` [T], and 1 from some frames on.

    Within a `shot` [T] it comes and goes over `FADE` frames; a cut is sharp.
    """
    share = np.zeros(len(shown))
    for run in runs(shot):
        away = np.inf if shown[run].all() else distance_transform_edt(shown[run])
        share[run] = np.minimum(away / (FADE + 1), 1)
    return share


def _column(table: pyarrow.Table, name: str) -> NDArray:
    return table.column(name).to_numpy(zero_copy_only=False)
