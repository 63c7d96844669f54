"""Keep what a photo shows: of a frame of the generator its motion is taken, and what the photo does not show.

After the stitching of LivePortrait (Guo et al. 2024), without a network: the photo is bent so that its hair
and neck follow the face, less with every step away from it, and the face is laid on top. What the code of the
photo lacks of its colour and light is added to the face, and of its `details` where they are asked for.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from d2a_core.faces import face_mask, paste
from d2a_core.faces.alignment import Crop
from d2a_core.faces.details import SMALL, Details, Part, Plain, cells
from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.faces.schemes import Scheme, scheme_of
from d2a_core.media import resampling

KINDS = ("photo", "face", "generator")  # what `animations.surroundings` may be
REACH = 1.9  # radii of the ellipse around the head, in half sides of the face: beyond it nothing moves
FADE = 0.15  # of that ellipse's radius, at its rim, over which motion ends
BORDER = 0.02  # of the picture's side, at its border, that does not move either
SPOKES = 32  # points on the ellipse that hold it
GRID = 64  # px, side at which motion is computed
STIFFNESS = 1e-4  # smoothing of the interpolation; landmarks are no truth
LOW = 0.03  # of the side: sigma of the blur below which colour and light are the photo's
NEAR = 2  # frames before and after one whose landmarks count, so that the outline does not tremble
APART = 0.03  # of the picture's side: landmarks that far apart are a move, not a tremor
TIGHT = 0.5  # sigmas by which its mask is larger than a face: hair and neck are the photo's
BROWS = 0.15  # how far above the brows a face is a frame's where its details are the photo's
RIM = 0.1  # of the ellipse's radius, outside it, over which `reach` fades

Frames = Iterable[NDArray[np.uint8]]


@dataclass(frozen=True)
class Animated:
    """A face of a photo and its animation: `frames` u1 [S, S, 3], one at a time, that lie in its `crop`.

    `source` [1, P, 2] and `points` [T, P, 2] are landmarks of the aligned photo and asked of the frames, as
    fractions of the side.
    """

    frames: Frames
    crop: Crop
    source: NDArray
    points: NDArray


class Stitcher:
    """The surroundings of one aligned photo u1 [S, S, 3]; `still` is what its code shows of it.

    `points` [P, 2] are the landmarks of the still, in fractions of the side. `shares` [P] in [0, 1] say how
    much of the face around each of them is a frame's; the rest stays as on the photo. None is all of it.
    `hidden` [H, H] in [0, 1] is what lies before the face on the photo, and stays there. Colour and light are
    what a blur of `low` of the side leaves. With `seen` [P, 2], the landmarks of the photo, its details go
    with the face.
    """

    def __init__(
        self,
        photo: NDArray[np.uint8],
        still: NDArray[np.uint8],
        points: NDArray,
        scheme: Scheme,
        *,
        shares: NDArray | None = None,
        hidden: NDArray | None = None,
        low: float = LOW,
        seen: NDArray | None = None,
    ) -> None:
        if not np.isfinite(points).all():
            raise ValueError("no face is seen on what the code of the photo shows; give another photo")
        self.photo, self.points, self.scheme, self.shares = photo, points, scheme, shares
        self.size, self.detailed = len(photo), seen is not None
        self._middle, self._radii = _ellipse(points)
        self._cells, self._places = cells(GRID), cells(self.size)
        self._free = _free(self._cells, self._middle, self._radii)[..., None]
        spokes = np.linspace(0, 2 * np.pi, SPOKES, endpoint=False)
        ring = self._middle + self._radii * np.stack((np.cos(spokes), np.sin(spokes)), axis=1)
        self._ring = ring.clip(BORDER, 1 - BORDER)
        inside = paste.face_mask(points[None], scheme, size=SMALL, rim=TIGHT)
        self._bare = None
        if hidden is not None and hidden.any():
            self._bare = 1 - cv2.resize(hidden.astype(np.float32), (SMALL, SMALL))
            inside = inside * self._bare
        if seen is None:
            self._lay: Plain | Details = Plain(photo, still, inside, low=low)
        else:
            motion = self._between(seen, points)
            self._lay = Details(photo, still, inside, motion=motion, points=points, scheme=scheme, low=low)

    def motion(self, points: NDArray) -> NDArray[np.float32]:
        """How far the photo is moved, [GRID, GRID, 2] in fractions, where a frame has the landmarks `points`.

        The face goes where theirs is, the ring around the head stays, and what lies between is interpolated.
        """
        return self._between(self.points, points)

    def _between(self, start: NDArray, end: NDArray) -> NDArray[np.float32]:
        here, there = face_mask.with_forehead(np.stack((start, end)))
        known = np.concatenate((there, self._ring))
        moved = np.concatenate((there - here, np.zeros_like(self._ring)))
        between = RBFInterpolator(known, moved, kernel="linear", smoothing=STIFFNESS)
        return (self._free * between(self._cells.reshape(-1, 2)).reshape(GRID, GRID, 2)).astype(np.float32)

    def __call__(self, frame: NDArray[np.uint8], points: NDArray) -> NDArray[np.uint8]:
        """Lay the face of a frame u1 [S, S, 3] with landmarks `points` [P, 2] on the photo: u1 [S, S, 3]."""
        if self.shares is not None:
            points = self.points + self.shares[:, None] * (points - self.points)
        share = self._share(self._lay.there(points))[..., None]
        part = _part(share)
        laid = self._lay(frame, self.motion(points), points, part)
        before = self._places - laid.motion
        if self._bare is not None:
            x, y = np.moveaxis(before[part] * SMALL - 0.5, -1, 0)
            bare = cv2.remap(self._bare, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            share[part] *= bare[..., None]
        x, y = np.moveaxis(before * self.size - 0.5, -1, 0)
        bent: NDArray = cv2.remap(self.photo, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        mixed = bent[part] + laid.share * share[part] * (laid.face - bent[part])
        bent[part] = np.rint(mixed).clip(0, 255)
        return bent

    def _share(self, points: NDArray) -> NDArray[np.float32]:
        """Share [S, S] of a frame with landmarks `points` [P, 2] at each place."""
        forehead = BROWS if self.detailed else paste.FOREHEAD
        mask = paste.face_mask(points[None], self.scheme, size=self.size, rim=TIGHT, forehead=forehead)
        if self.shares is None:
            return mask
        between = RBFInterpolator(points, self.shares, kernel="linear", smoothing=STIFFNESS)
        part = between(self._cells.reshape(-1, 2)).reshape(GRID, GRID).clip(0, 1).astype(np.float32)
        return mask * cv2.resize(part, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def along(self, frames: Frames, detector: LandmarkDetector) -> Iterator[NDArray[np.uint8]]:
        """Do so with all frames of a video, one at a time; where no face is seen the last one counts on."""
        for frame, points in looked_at(frames, detector, self.points):
            yield self(frame, points)


def looked_at(
    frames: Frames, detector: LandmarkDetector, points: NDArray
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """Yield the frames of a video u1 [S, S, 3], one at a time, with their `steadied` landmarks [P, 2].

    Where no face is seen the last one counts on, and those of the first frames are `points` [P, 2].
    """
    held: deque[NDArray[np.uint8]] = deque()
    seen: deque[NDArray] = deque(maxlen=2 * NEAR + 1)
    last = points
    for frame in frames:
        found = detector.detect(frame[None])
        last = found.points[0] if found.found[0] else last
        held.append(frame)
        seen.append(last)
        if len(held) > NEAR:
            yield held.popleft(), steadied(seen, len(seen) - 1 - NEAR)
    while held:
        yield held.popleft(), steadied(seen, len(seen) - 1 - len(held))


def steadied(points: Iterable[NDArray], index: int) -> NDArray[np.float64]:
    """Landmarks [P, 2] of one of some neighbouring frames, each with `points` [P, 2], without their tremor.

    A bilateral mean along time: neighbours count less the further they are away, in frames and in place, so
    that neither a quick move nor a cut is smoothed.
    """
    rows = np.stack(list(points))
    steps = np.arange(len(rows)) - index
    away = np.linalg.norm(rows - rows[index], axis=-1).mean(axis=-1)
    weight = np.exp(-((steps / NEAR) ** 2) - (away / APART) ** 2) * (abs(steps) <= NEAR)
    return np.einsum("t,tpc->pc", weight / weight.sum(), rows)


def reach(points: NDArray, *, size: int) -> NDArray[np.float32]:
    """Soft mask [size, size] of all that stitching may move on a photo with landmarks `points` [P, 2]."""
    places = cells(size)
    beyond = _distance(places, *_ellipse(points)) - 1
    edge = np.minimum(places, 1 - places).min(axis=-1)
    inside = np.clip(1 - beyond / RIM, 0, 1) * np.clip(2 * edge / BORDER, 0, 1)
    return inside.astype(np.float32)


def of_photo(
    kind: str, photo: NDArray[np.uint8], still: NDArray[np.uint8], detector: LandmarkDetector
) -> Callable[[Frames], Iterator[NDArray[np.uint8]]]:
    """Return what gives the frames of a video the surroundings `kind`.

    `photo` u1 [S, S, 3] is aligned, `still` u1 [R, R, 3] what its code shows of it. With "photo" details of
    the face are the photo's as well, with "face" all of the face is the generator's, and with "generator"
    frames stay as they are, as in the paper.
    """
    if kind == "generator":
        return iter
    stitcher = on_photo(photo, still, detector, kind=kind)
    return lambda frames: stitcher.along(frames, detector)


def fitted(
    photo: NDArray[np.uint8], faces: Sequence[Animated], *, longest: int
) -> tuple[NDArray[np.uint8], list[Animated]]:
    """Scale a photo and the crops of its faces down: see `paste.fitted`."""
    both = [paste.fitted(photo, face.crop, longest=longest) for face in faces]
    return both[0][0], [replace(face, crop=crop) for face, (_, crop) in zip(faces, both, strict=True)]


def paste_back(kind: str, photo: NDArray[np.uint8], faces: Sequence[Animated]) -> Iterator[NDArray[np.uint8]]:
    """Put faces whose frames have the surroundings `kind` into their photo, u1 [H, W, 3] with even sides.

    Where the surroundings are the photo's, all that may have moved is taken from a frame, and at the rim of
    that both are alike. Where several faces reach, each pixel is mostly of the nearest.
    """
    moments = zip(*(face.frames for face in faces), strict=True)
    for frames, places in zip(moments, _places(kind, photo, faces), strict=False):  # places have no end
        picture = paste.paste(places[0], frames[0])
        for place, frame in zip(places[1:], frames[1:], strict=True):
            picture = paste.paste(place, frame, onto=picture)
        yield picture


def _places(kind: str, photo: NDArray[np.uint8], faces: Sequence[Animated]) -> Iterator[list[paste.Place]]:
    """Places of all faces at every moment, without end."""
    away = [_away(photo, face) for face in faces]
    if kind == "generator":
        apart = [
            paste.places(photo, face.crop, face.source, face.points, scheme_of(face.points.shape[1]))
            for face in faces
        ]
        yield from (paste.shared(places, away) for places in zip(*apart, strict=True))
        return
    whole = [paste.prepare(photo, face.crop, reach(face.source[0], size=paste.DRAWN)) for face in faces]
    yield from repeat(paste.shared(whole, away))


def _away(photo: NDArray[np.uint8], face: Animated) -> NDArray[np.float32]:
    """Distance [H, W] of the pixels of a photo from a face: 1 is the ellipse around its head."""
    rows, columns = np.indices(photo.shape[:2], np.float32) + 0.5
    cells = face.crop.to_crop(np.stack((columns, rows), axis=-1)) / face.crop.size
    return _distance(cells, *_ellipse(face.source[0])).astype(np.float32)


def on_photo(
    photo: NDArray[np.uint8], still: NDArray[np.uint8], detector: LandmarkDetector, *, kind: str
) -> Stitcher:
    """Look at a `still` and bring its photo to the same size; for `kind` see `of_photo`.

    Raises ValueError where no face is seen on the still. Where none is seen on the photo it gives no details.
    """
    fitted = resampling.resize(photo[None], len(still))[0]
    shown, seen = (detector.detect(picture[None]) for picture in (still, fitted))
    known = seen.points[0] if kind == "photo" and seen.found[0] else None
    return Stitcher(fitted, still, shown.points[0], detector.scheme, seen=known)


def _part(share: NDArray) -> Part:
    """Rows and columns of a mask [H, W, 1] that hold all of it; one pixel where a face has left."""
    rows, columns = (np.flatnonzero(share.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    if not rows.size:
        return slice(0, 1), slice(0, 1)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _ellipse(points: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle [2] and radii [2] of the ellipse around the head whose landmarks are `points` [P, 2]."""
    (whole,) = face_mask.with_forehead(points[None])
    low, high = whole.min(axis=0), whole.max(axis=0)
    return (low + high) / 2, REACH * (high - low) / 2


def _distance(cells: NDArray, middle: NDArray, radii: NDArray) -> NDArray[np.float64]:
    """Distance [H, W] of `cells` [H, W, 2] from the middle of the ellipse, on which it is 1."""
    return np.linalg.norm((cells - middle) / radii, axis=-1)


def _free(cells: NDArray, middle: NDArray, radii: NDArray) -> NDArray[np.float64]:
    """Share of the motion that is left at `cells` [H, W, 2]: nothing beyond the ellipse and at the border."""
    within = (1 - _distance(cells, middle, radii)) / FADE
    edge = np.minimum(cells, 1 - cells).min(axis=-1) / BORDER - 0.5
    return np.clip(within, 0, 1) * np.clip(edge, 0, 1)
