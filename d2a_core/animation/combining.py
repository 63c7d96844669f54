"""Make one driver of several clips: of one the head, of another the face (paper, section 5, Figure 10).

Regions of the face, the lips and the eyes, may have clips of their own. What has no clip stays still.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.animation import motion, rests
from d2a_core.animation.driving import Track
from d2a_core.animation.regions import REGIONS
from d2a_core.faces import geometry
from d2a_core.faces.heads import Heads, between, project
from d2a_core.faces.schemes import Scheme, scheme_of
from d2a_core.media import sheets
from d2a_core.media.video_reading import Frame

LEADING = ("expression", "lips", "eyes", "pose")  # the face is that of the first part that has a clip

Clip = TypeVar("Clip")


@dataclass(frozen=True)
class Driver:
    """A tracked clip: its `heads` [T], `rate` in Hz, and columns of its table [T].

    `rest` is the head at rest, [1], or that of whoever is seen in each frame, [T].
    """

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
    heads = rests.heads_of(table)
    names = ("found", "score", "shot", "interpolated", "held")
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in names}
    rest = rests.at_rest(heads, rests.people(table))
    return Driver(heads, rest, Fraction(str(metadata["rate"])), columns)


def to_and_fro(time_s: NDArray, frames: int, rate: Fraction) -> NDArray[np.float64]:
    """Places [T], in frames, of a clip that is played to its end, back, and so on, at the times [T]."""
    if frames == 1:
        return np.zeros(len(time_s))
    turn = frames - 1
    place = np.mod(time_s * float(rate), 2 * turn)
    return np.where(place > turn, 2 * turn - place, place)


def leading(parts: Mapping[str, Clip]) -> Clip:
    """Choose the clip whose face is moved, from those of `parts`: see `LEADING`."""
    return next(parts[part] for part in LEADING if part in parts)


def heard(parts: Mapping[str, Clip]) -> Clip:
    """Choose the clip whose sound fits the lips, from those of `parts`."""
    return parts["lips"] if "lips" in parts else leading(parts)


def captions(parts: Mapping[str, Clip]) -> dict[str, str]:
    """Name all parts that a clip moves, by the first of them: one entry for each of the clips."""
    found: dict[Clip, list[str]] = {}
    for part, clip in parts.items():
        found.setdefault(clip, []).append(part)
    return {together[0]: ", ".join(together) for together in found.values()}


def times(drivers: Sequence[Driver]) -> tuple[NDArray[np.float64], Fraction]:
    """Times [T] of the combined clip, as long as the longest; its rate is that of the first that moves."""
    rate = next((driver.rate for driver in drivers if driver.duration_s), drivers[0].rate)
    frames = max(1, round(max(driver.duration_s for driver in drivers) * rate))
    return np.arange(frames) / float(rate), rate


def combine(parts: Mapping[str, Driver]) -> tuple[Track, Fraction]:
    """Put the face on the moving head, and the regions into the face, as landmarks.

    `parts` are the clips by what they move: "pose", "expression", "lips", "eyes"; a shorter one goes to and
    fro. The rest of the combined driver, which no frame needs to show, is the leading face at rest, seen from
    the front.
    """
    drivers = list(parts.values())
    time_s, rate = times(drivers)
    face = leading(parts)
    straight = replace(motion.frame(face.rest, 0), rotation=np.eye(3)[None])
    still = replace(face, heads=straight, rest=straight)
    pose = parts.get("pose", still)
    moved = replace(
        motion.turned(straight, _rest_at(pose, time_s), _at(pose, time_s), amount=1.0),
        shape=_shapes({"expression": still, **parts}, straight.shape, time_s),
    )

    def each(name: str) -> list[NDArray]:
        return [_nearest(driver, time_s, name) for driver in drivers]

    cuts = [np.diff(shot, prepend=shot[:1]) != 0 for shot in each("shot")]
    return Track(
        points=project(moved).astype(np.float32),
        found=np.all(each("found"), axis=0),
        score=np.min(each("score"), axis=0),
        angles=geometry.angles_of(moved.rotation),
        canonical=moved.shape[..., :2].astype(np.float32),
        time_s=time_s,
        shot=np.any(cuts, axis=0).cumsum().astype(np.int32),
        interpolated=np.any(each("interpolated"), axis=0),
        held=np.any(each("held"), axis=0),
        rest=project(straight).astype(np.float32),
        mute=not {"expression", "lips"} & parts.keys(),
    ), rate


def _shapes(parts: Mapping[str, Driver], rest: NDArray, time_s: NDArray) -> NDArray[np.float64]:
    """Shapes [T, P, 3] of a face that is `rest` [1, P, 3] where the clips of its parts are at theirs."""
    scheme = scheme_of(rest.shape[1])
    change = _change(parts["expression"], rest, time_s, scheme)
    for region, share_of in REGIONS.items():
        if region in parts:
            share = share_of(scheme)[:, None]
            change = (1 - share) * change + share * _change(parts[region], rest, time_s, scheme)
    return rest + change


def _change(driver: Driver, rest: NDArray, time_s: NDArray, scheme: Scheme) -> NDArray[np.float64]:
    """Change [T, P, 3] of a driver since its own rest, in the proportions of the face `rest` [1, P, 3]."""
    start = _rest_at(driver, time_s).shape
    gain = motion.gains(rest[0], start, scheme)
    calm, moved = (motion.changed(rest, start, shape, gain) for shape in (start, _at(driver, time_s).shape))
    return moved - calm


def _nearest(driver: Driver, time_s: NDArray, name: str) -> NDArray:
    return driver.columns[name][np.rint(_places(driver, time_s)).astype(int)]


def _places(driver: Driver, time_s: NDArray) -> NDArray[np.float64]:
    return to_and_fro(time_s, len(driver.heads.scale), driver.rate)


def _at(driver: Driver, time_s: NDArray) -> Heads:
    """Heads of a driver at any times [T], between two frames in proportion."""
    return between(driver.heads, _places(driver, time_s))


def _rest_at(driver: Driver, time_s: NDArray) -> Heads:
    return rests.at(driver.rest, _places(driver, time_s))


def show(
    parts: Mapping[str, Driver],
    frames: Mapping[str, Iterable[Frame]],
    titles: Mapping[str, str],
    *,
    height: int,
) -> Iterator[NDArray[np.uint8]]:
    """Show the clips beside one another, as they are combined: u1 [H, W, 3], `height` in px.

    `titles` are the captions by a part of each clip that is shown, `frames` its pictures by the part.
    """
    time_s, _ = times(list(parts.values()))
    panels = (_played(parts[part], frames[part], time_s, height) for part in titles)
    for images in zip(*panels, strict=True):
        yield sheets.side_by_side(images, height=height, captions=list(titles.values()))


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
