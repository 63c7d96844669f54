"""Landmarks that a driver asks of footage: what it moves is its own, all else stays the footage's.

A part of the face that is driven leaves what it does in the footage: a mouth that speaks there would go on
speaking under the driver's. So it starts from the footage at rest, as a photo would. The head keeps the place
and size that it has in each frame, where its neck is.
"""

from collections.abc import Collection, Container
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.animation import animations, motion, rests, stretches
from d2a_core.animation.cast import Cast
from d2a_core.animation.motion import Transfer
from d2a_core.animation.regions import REGIONS
from d2a_core.animation.stretches import NOBODY
from d2a_core.faces.heads import Heads, between, lift_clip, project
from d2a_core.faces.schemes import Scheme, scheme_of
from d2a_core.media import video_reading
from d2a_core.store import tables


@dataclass(frozen=True)
class Take:
    """Frames of footage; N of them show a face, and go from landmarks `points` to the `goal` [N, P, 2].

    `people` are the cast of all T frames, which are shown at `time_s` [T], `quads` [N, 4, 2] the places of
    the faces. `share` [N] is how much of a result is seen, less where a face comes or goes. `regions` [P] say
    how much is moved around each landmark, None all of it, and `hidden` [N, S, S] what lies before each face,
    None where that is not known yet: the rest keeps its pixels.
    """

    people: Cast
    time_s: NDArray[np.float64]
    quads: NDArray[np.float32]
    points: NDArray[np.float32]
    goal: NDArray[np.float32]
    share: NDArray[np.float64]
    regions: NDArray[np.float64] | None = None
    hidden: NDArray[np.float32] | None = None

    @property
    def rows(self) -> NDArray[np.int64]:
        """Numbers of the frames with a face, [N]."""
        return self.people.rows

    @property
    def person(self) -> NDArray[np.int64]:
        """Who is seen in each of them, [N]."""
        return self.people.person[self.rows]

    @property
    def stretch(self) -> NDArray[np.int64]:
        """The stretch that each of them is in, [N]."""
        return self.people.stretch[self.rows]


def of_rows(
    footage: pyarrow.Table,
    people: Cast,
    points: NDArray,
    goal: NDArray,
    *,
    kept: NDArray[np.bool_] | None = None,
    regions: NDArray[np.float64] | None = None,
    hidden: NDArray[np.float32] | None = None,
) -> Take:
    """Take of the frames in the table `footage`; `points` and `goal` [N, P, 2] are of those with a face.

    Of these a frame that is not `kept` [N] stays as it is.
    """
    rows, changed = people.rows, people.person != NOBODY
    changed[rows] &= True if kept is None else kept
    share = stretches.eased(changed, footage.column("shot").to_numpy())
    time_s, quads = footage.column("time_s").to_numpy(), tables.points_array(footage, "quad")
    return Take(people, time_s, quads[rows], points, goal, share[rows], regions, hidden)


def take(
    footage: pyarrow.Table,
    driver: pyarrow.Table,
    options: animations.Options,
    parts: Container[str],
    people: Cast,
    *,
    rate: Fraction,
    driver_rate: Fraction,
) -> Take:
    """Ask the landmarks of a `driver` of footage, as far as both last; both tables are those of clips.

    `people` are the cast of the footage; each of them starts from a rest of their own. `rate` and
    `driver_rate` are those of the clips in Hz. The tremor of the detector is taken out of what the footage
    shows and of what is asked alike. Raises ValueError where the driver ends before a face is seen.
    """
    table = footage[: count(len(footage), rate, len(driver), driver_rate)]
    people = people.until(len(table))
    rows, person = people.rows, people.person[people.rows]
    if not len(rows):
        raise ValueError(
            f"the footage shows no face in the {len(table)} frames that the driver lasts; "
            "choose a longer driver, or cut the beginning of the footage away"
        )
    goal = np.zeros_like(tables.points_array(table)[rows])
    for number in np.unique(person):
        own = table.take(rows[person == number])
        goal[person == number] = asked(own, driver, options, parts)
    points, goal = (
        animations.calmed(each, float(rate), options, shot=people.stretch[rows])
        for each in (tables.points_array(table)[rows], goal)
    )
    turns = "pose" in parts and options.transfer.scale * options.transfer.pose > 0
    region = shares(scheme_of(points.shape[1]), parts)
    return of_rows(table, people, points, goal, regions=None if turns or region.all() else region)


def heard(footage: str, driver: str, options: animations.Options, parts: Collection[str]) -> str:
    """Choose the clip whose sound fits: a driver that moves the lips and has one, else the footage."""
    transfer = options.transfer
    speaks = {"expression", "lips"} & set(parts) and transfer.scale * transfer.expression > 0
    return driver if speaks and video_reading.probe(driver).has_audio else footage


def count(footage: int, rate: Fraction, driver: int, driver_rate: Fraction) -> int:
    """Frames of footage of so many at `rate` Hz that are driven: as long as the shorter of the two clips.

    `driver` is the number of the driver's frames; a single picture lasts as long as the footage.
    """
    if driver == 1:
        return footage
    return max(1, min(footage, int(driver / driver_rate * rate)))


def asked(
    footage: pyarrow.Table, driver: pyarrow.Table, options: animations.Options, parts: Container[str]
) -> NDArray[np.float32]:
    """Landmarks [T, P, 2] asked of the frames in the table `footage`, at their times.

    `parts` are those that the `driver` moves: "pose", "expression", "lips", "eyes". Between two of its frames
    it is where it should be at that time.
    """
    points = tables.points_array(footage)
    own = lift_clip(points, scheme_of(points.shape[1]), tables.angles_array(footage))
    moving, start, transfer = animations.driving_heads(driver, options)
    known_s, time_s = (table.column("time_s").to_numpy() for table in (driver, footage))
    places = np.interp(time_s, known_s, np.arange(len(known_s)))
    start, then = rests.at(start, places), between(moving, places)
    return project(driven(own, start, then, transfer, parts)).astype(np.float32)


def driven(own: Heads, start: Heads, driver: Heads, transfer: Transfer, parts: Container[str]) -> Heads:
    """Heads [T] of footage with heads `own` [T], moved as the `driver` [T] moves from `start`, [1] or [T].

    Scales of the `transfer` below 1 leave as much of the footage's own motion: 0 leaves all of it.
    """
    rest = motion.neutral_heads(own)
    moved = motion.moved(rest, start, driver, transfer)
    scheme = scheme_of(own.shape.shape[1])
    left = 1 - np.clip(transfer.scale * transfer.expression * shares(scheme, parts), 0, 1)[:, None]
    turn = transfer.scale * transfer.pose * ("pose" in parts)
    turned = motion.turned(moved, rest, own, amount=float(np.clip(1 - turn, 0, 1)))
    shape = moved.shape + left * (own.shape - rest.shape)
    return replace(own, rotation=turned.rotation, shape=shape)


def shares(scheme: Scheme, parts: Container[str]) -> NDArray[np.float64]:
    """Share of the driver in each point [P] of a face of which it moves the `parts`."""
    if "expression" in parts:
        return np.ones(scheme.size)
    regions = [share(scheme) for region, share in REGIONS.items() if region in parts]
    return np.max([np.zeros(scheme.size), *regions], axis=0)
