"""The people of a clip as heads, each with a rest of their own, which relative motion starts from.

All shots of one person share a rest: a shot that begins in the middle of a smile does not make it neutral.
What another person's face is at rest says nothing of it.
"""

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.animation import motion
from d2a_core.faces.heads import Heads, lift_clip
from d2a_core.faces.schemes import scheme_of
from d2a_core.store import tables


def people(table: pyarrow.Table) -> NDArray[np.int64]:
    """Number of the person in each row [T] of a driving table; one person where it does not tell."""
    if "person" not in table.column_names:
        return np.zeros(len(table), np.int64)
    return table.column("person").to_numpy().astype(np.int64)


def heads_of(table: pyarrow.Table) -> Heads:
    """Heads [T] of a driving table: what turns of one person reveal of depth is not laid on another."""
    points, angles, person = tables.points_array(table), tables.angles_array(table), people(table)
    scheme = scheme_of(points.shape[1])
    rows = [np.flatnonzero(person == number) for number in np.unique(person)]
    parts = [lift_clip(points[own], scheme, angles[own]) for own in rows]
    if len(parts) == 1:
        return parts[0]
    names = ("rotation", "scale", "shift", "shape")
    joined = Heads(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    return joined.rows(np.argsort(np.concatenate(rows)))


def at_rest(heads: Heads, person: NDArray, *, neutral: int | None = None) -> Heads:
    """Head at rest of each `person` [T] of a clip: heads [1] where it is one, else [T], one for each frame.

    `neutral` is a frame in which whoever it shows is at rest; that of the others is found.
    """
    if not np.ptp(person):
        return motion.neutral_heads(heads, neutral)
    frames = np.empty(len(person), np.int64)
    for number in np.unique(person):
        own = np.flatnonzero(person == number)
        if neutral is not None and person[neutral] == number:
            frames[own] = neutral
        else:
            frames[own] = own[motion.neutral_frame(heads.rows(own))]
    return heads.rows(frames)


def at(rest: Heads, places: NDArray) -> Heads:
    """The rests [1] or [T] of a clip at `places` [T'] between its frames, that of the nearest."""
    return rest if len(rest.scale) == 1 else rest.rows(np.rint(places).astype(np.int64))
