"""Make one driver of two: the head of one clip and the face of another (paper, section 5, Figure 10)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d2a_core.animation import motion
from d2a_core.animation.driving import Track
from d2a_core.faces import geometry
from d2a_core.faces.heads import Heads, lift_clip, project
from d2a_core.faces.schemes import scheme_of
from d2a_core.media import sheets
from d2a_core.media.video_reading import Frame
from d2a_core.store import tables

CAPTIONS = ("pose", "expression")


@dataclass(frozen=True)
class Driver:
    """A tracked clip: its `heads` [T], the head at `rest` [1], `rate` in Hz, and columns of its table [T]."""

    heads: Heads
    rest: Heads
    rate: Fraction
    columns: Mapping[str, NDArray]

    @property
    def duration_s(self) -> float:
        """Seconds of its motion, 0 for a single picture."""
        frames = len(self.heads.scale)
        return float(frames / self.rate) if frames > 1 else 0.0


def driver_of(table: pyarrow.Table, metadata: Mapping[str, object]) -> Driver:
    """Read the driver of a landmark table, whose `metadata` has the `rate` in Hz.

    Of a single picture the rest is made up, of a clip it is found.
    """
    points, angles = tables.points_array(table), tables.angles_array(table)
    scheme = scheme_of(points.shape[1])
    heads = lift_clip(points, scheme, angles)
    names = ("found", "score", "shot", "interpolated", "held")
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in names}
    return Driver(heads, motion.neutral_heads(heads), Fraction(str(metadata["rate"])), columns)


def to_and_fro(time_s: NDArray, frames: int, rate: Fraction) -> NDArray[np.float64]:
    """Places [T], in frames, of a clip that is played to its end, back, and so on, at the times [T]."""
    if frames == 1:
        return np.zeros(len(time_s))
    turn = frames - 1
    place = np.mod(time_s * float(rate), 2 * turn)
    return np.where(place > turn, 2 * turn - place, place)


def times(pose: Driver, expression: Driver) -> tuple[NDArray[np.float64], Fraction]:
    """Times [T] of the combined clip, as long as the longer of both; its rate is the pose's, if it moves."""
    rate = pose.rate if pose.duration_s else expression.rate
    frames = max(1, round(max(pose.duration_s, expression.duration_s) * rate))
    return np.arange(frames) / float(rate), rate


def combine(pose: Driver, expression: Driver) -> tuple[Track, Fraction]:
    """Put the face of `expression` on the moving head of `pose`, as landmarks; the shorter goes to and fro.

    The rest of the combined driver, which no frame needs to show, is that face at rest, seen from the front.
    """
    time_s, rate = times(pose, expression)
    heads, faces = (_at(driver, time_s) for driver in (pose, expression))
    straight = replace(expression.rest, rotation=np.eye(3)[None])
    moved = replace(motion.turned(straight, pose.rest, heads, amount=1.0), shape=faces.shape)

    def both(name: str) -> list[NDArray]:
        return [_nearest(driver, time_s, name) for driver in (pose, expression)]

    cuts = (np.diff(shot, prepend=shot[:1]) != 0 for shot in both("shot"))
    return Track(
        points=project(moved).astype(np.float32),
        found=np.logical_and(*both("found")),
        score=np.minimum(*both("score")),
        angles=geometry.angles_of(moved.rotation),
        canonical=moved.shape[..., :2].astype(np.float32),
        time_s=time_s,
        shot=np.logical_or(*cuts).cumsum().astype(np.int32),
        interpolated=np.logical_or(*both("interpolated")),
        held=np.logical_or(*both("held")),
        rest=project(straight).astype(np.float32),
    ), rate


def _nearest(driver: Driver, time_s: NDArray, name: str) -> NDArray:
    return driver.columns[name][np.rint(_places(driver, time_s)).astype(int)]


def _places(driver: Driver, time_s: NDArray) -> NDArray[np.float64]:
    return to_and_fro(time_s, len(driver.heads.scale), driver.rate)


def _at(driver: Driver, time_s: NDArray) -> Heads:
    """Heads of a driver at any times [T], between two frames in proportion."""
    heads, place = driver.heads, _places(driver, time_s)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, len(heads.scale) - 1)
    share = place - low

    def between(values: NDArray) -> NDArray:
        weight = share.reshape(-1, *[1] * (values.ndim - 1))
        return (1 - weight) * values[low] + weight * values[high]

    turn = Rotation.from_matrix(heads.rotation[high] @ heads.rotation[low].transpose(0, 2, 1)).as_rotvec()
    rotation = Rotation.from_rotvec(share[:, None] * turn).as_matrix() @ heads.rotation[low]
    return Heads(rotation, between(heads.scale), between(heads.shift), between(heads.shape))


def show(
    pose: tuple[Driver, Iterable[Frame]], expression: tuple[Driver, Iterable[Frame]], *, height: int
) -> Iterator[NDArray[np.uint8]]:
    """Show both clips beside one another, as they are combined: u1 [H, W, 3], `height` in px."""
    time_s, _ = times(pose[0], expression[0])
    panels = (_played(driver, frames, time_s, height) for driver, frames in (pose, expression))
    for images in zip(*panels, strict=True):
        yield sheets.side_by_side(images, height=height, captions=CAPTIONS)


def _played(
    driver: Driver, frames: Iterable[Frame], time_s: NDArray, height: int
) -> Iterator[NDArray[np.uint8]]:
    """Small pictures of a clip at the times [T]; those of a clip that turns back are kept in memory."""
    places = np.rint(_places(driver, time_s)).astype(int)
    small = (sheets.side_by_side([frame.image], height=height) for frame in frames)
    if (np.diff(places) < 0).any():
        kept = list(small)
        yield from (kept[min(place, len(kept) - 1)] for place in places)
        return
    shown, image = 0, next(small)
    for place in places:
        while shown < place:
            image, shown = next(small, image), shown + 1
        yield image
