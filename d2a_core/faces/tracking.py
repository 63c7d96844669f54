"""Follow one person through a clip: look where the face was, search only when it is lost."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from d2a_core.faces import mediapipe, search
from d2a_core.faces.landmarks import Detections, Follower, LandmarkDetector, describe
from d2a_core.faces.people import People
from d2a_core.faces.schemes import WFLW98, Scheme
from d2a_core.faces.watching import ITSELF, LOOK_EVERY_S, Watch, telling

PATIENCE_S = 1.0  # how long a lost face is waited for where it was, before it is looked for elsewhere
GONE_S = 3.0  # how long one who is away is waited for, before somebody else takes over
NEARBY = 3.0  # sides of its region that a lost face is searched in
RESTING = 0.03  # share of its side (and radians) below which a region stays; takes a third of the tremor away
WINDOW = 1.6  # sides of the region that are looked at: the region, turned by any angle, and its margin
SEARCH_EVERY_S = 0.5  # between searches of the whole frame, which take a second or more on large ones
SURE = 0.9  # share of the best score: beside a real face, folds of a sleeve are none
ROOM = 1.7  # side of the region for a first look, in widths of the face


@runtime_checkable
class RegionDetector(LandmarkDetector, Protocol):
    """A detector that can be told where to look, and whose models search a frame."""

    models: mediapipe.FaceModels

    def look_at(
        self, images: NDArray[np.uint8], regions: NDArray
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Points [N, P, 3] in pixels, score [N] and mesh [N, 468, 3] of the faces in `regions` [N, 4]."""
        ...


@dataclass
class Independent:
    """A detector that looks at every frame as if it were the first, and cannot follow one of several people.

    It takes the face that the detector takes, and tells at each cut who that is.
    """

    detector: LandmarkDetector
    people: People
    every: int  # frames between looks at who it is
    person: int = 0
    hidden = False
    _due: int = 0  # frames until the next look

    @property
    def scheme(self) -> Scheme:
        """Scheme of the detector."""
        return self.detector.scheme

    def see(self, image: NDArray[np.uint8], *, cut: bool) -> Detections:
        """Detect the face of a frame u1 [H, W, 3]."""
        seen = self.detector.detect(image[None])
        if cut or not len(self.people):
            self.person, self._due = self.people.meet(), 0
        if self._due <= 0 and seen.found[0] and telling(seen.angles[0, 0]):
            self.people.note(self.person, image, seen.points[0])
            self._due = self.every
        self._due -= 1
        return seen


@dataclass(frozen=True)
class _Look:
    """Points [P, 3], score and mesh [468, 3] in pixels, as seen in a region [4], or nowhere."""

    points: NDArray
    score: float
    mesh: NDArray
    region: NDArray | None


class MeshFollower:
    """Look around the face mesh of the frame before, as MediaPipe does, so that no box can jitter.

    The largest face is taken at first, or the one of that `number`, 1 being the largest. When the mesh fades,
    it is searched for near where it was for `PATIENCE_S`, and only then in the whole frame. Who is near is
    glanced at now and then. Where somebody is, and after a loss, the face must be that of the person who is
    followed: otherwise this person is searched for, and not found while hidden.

    After a cut one who was followed before is followed on, else the largest face; somebody else also takes
    over from one who is away for `GONE_S`. A `number` means this person alone, for all of the clip. `clip` is
    what an error calls it.
    """

    def __init__(
        self,
        detector: RegionDetector,
        people: People,
        *,
        rate_hz: float,
        number: int,
        clip: object,
    ) -> None:
        self.detector, self.scheme = detector, detector.scheme
        self.people, self.number, self.clip = people, number, clip
        self.patience, self.gone = round(PATIENCE_S * rate_hz), round(GONE_S * rate_hz)
        self.every = max(1, round(SEARCH_EVERY_S * rate_hz))
        self._watch = Watch(people, detector.models, rate_hz=rate_hz)
        self._region: NDArray | None = None  # of the face, or where it was
        self._lost = 0  # frames since it was seen, or since the clip or the shot began

    @property
    def person(self) -> int:
        """Who is followed, a number among the people."""
        return self._watch.person

    @property
    def hidden(self) -> bool:
        """Whether the face was not found beside somebody else's, behind which it may be."""
        return bool(self._lost and self._watch.wary)

    def see(self, image: NDArray[np.uint8], *, cut: bool) -> Detections:
        """Detect the followed face on the next frame u1 [H, W, 3]."""
        if cut:
            self._region, self._lost = None, 0
            self._watch.forget_company()
        look = self._look(image, self._region if self._lost == 0 else None)
        if not self._seen(look):
            look = self._look_at(image, self._search(image))
        seen = self._described(look, image)
        if look.region is not None and self._seen(look):
            confirmed = self._watch.confirms(image, look.region, seen.points[0], seen.angles[0, 0])
            if confirmed is False or (confirmed is None and self._is_elsewhere(image, look.region)):
                look, seen = self._instead(image)
        found = self._seen(look)
        self._lost = 0 if found else self._lost + 1
        if found and look.region is not None:
            now = _region_of(look.mesh)
            self._region = look.region if _same(look.region, now) else now
        return seen

    def _is_elsewhere(self, image: NDArray[np.uint8], region: NDArray) -> bool:
        """Whether the person is seen next to the face in a `region`."""
        face = self._watch.recognised(image, self._faces(image, near=region))
        return face is not None and _apart(region, face) > ITSELF

    def _instead(self, image: NDArray[np.uint8]) -> tuple[_Look, Detections]:
        """Look at the person where another's face was seen, or nowhere."""
        look = self._look_at(image, self._watch.recognised(image, self._faces(image)))
        seen = self._described(look, image)
        if self._seen(look) and self._watch.apart(image, seen.points[0]) > self._watch.limit:
            look = self._look(image, None)
            seen = self._described(look, image)
        return look, seen

    def _seen(self, look: _Look) -> bool:
        return bool(look.score >= self.detector.options.min_score)

    def _described(self, look: _Look, image: NDArray[np.uint8]) -> Detections:
        score, found = np.array([look.score]), np.array([self._seen(look)])
        with np.errstate(invalid="ignore"):  # what was not found has no size
            return describe(look.points[None], score, found, self.scheme, image.shape[:2])

    def _look(self, image: NDArray[np.uint8], region: NDArray | None) -> _Look:
        """Look at a region; only the frame around it is touched."""
        nothing = np.zeros((self.scheme.size, 3)), 0.0, np.zeros((mediapipe.MESH_POINTS, 3))
        if region is None:
            return _Look(*nothing, None)
        part, offset = _window(image, region[:2], WINDOW * region[2])
        if part is None:
            return _Look(*nothing, region)
        points, score, mesh = self.detector.look_at(part[None], (region - [*offset, 0, 0])[None])
        shift = np.array([*offset, 0], np.float32)
        return _Look(points[0] + shift, float(score[0]), mesh[0] + shift, region)

    def _look_at(self, image: NDArray[np.uint8], face: search.Face | None) -> _Look:
        """Look at a face that was found, or nowhere."""
        if face is None:
            return self._look(image, None)
        return self._look(image, _region_of(self._look(image, _region_about(face)).mesh))

    def _search(self, image: NDArray[np.uint8]) -> search.Face | None:
        """The face to go on with, or None."""
        if self._region is None:
            return None if self._lost % self.every else self._begin(image)
        apart, wary = partial(_apart, self._region), self._watch.wary
        near = self._watch.possible(image, self._faces(image, near=self._region))
        nearest = min(near, key=apart, default=None)
        if nearest is not None and (apart(nearest) < 1 or wary):
            return nearest
        if self._lost % self.every or (self._lost < self.patience and not wary):
            return None
        everyone = self._faces(image)
        found = min(self._watch.possible(image, everyone), key=apart, default=None)
        if found is None and everyone and not self.number and self._lost >= self.gone:
            self._watch.meet()
            return min(everyone, key=apart)
        return found

    def _begin(self, image: NDArray[np.uint8]) -> search.Face | None:
        """The face to follow from the start of the clip, or of a shot."""
        everyone = self._faces(image)
        if not everyone:
            return None
        if not any(map(self.people.knows, range(len(self.people)))):
            self._watch.meet()
            where = f"the first frame of {self.clip} that shows a face"
            return search.choose(everyone, self.number, path=where)
        if self.number:
            return self._watch.recognised(image, everyone)
        for person in range(len(self.people)):
            self._watch.person = person
            known = self._watch.recognised(image, everyone)
            if known is not None:
                return known
        self._watch.meet()
        return everyone[0]

    def _faces(self, image: NDArray[np.uint8], *, near: NDArray | None = None) -> list[search.Face]:
        """The faces of a frame, or of its part `near` a region, largest first."""
        part, offset = (image, (0, 0)) if near is None else _window(image, near[:2], NEARBY * near[2])
        if part is None:
            return []
        seen = search.find(part, self.detector.models, min_score=self.detector.options.min_score)
        count_all = (
            self._watch.wary or self.number
        )  # where it matters who it is, and where faces have numbers
        sure = 0.0 if count_all else SURE * max((face.score for face in seen), default=0.0)
        return [replace(face, points=face.points + offset) for face in seen if face.score >= sure]


def follower(
    detector: LandmarkDetector, identity: str | Path, *, rate_hz: float, number: int = 0, clip: object
) -> Follower:
    """The way to follow a face with this detector; `identity` is the folder of dlib's models.

    `number` and `clip` are those of `MeshFollower`. Raises ValueError for a `number` where the detector
    cannot tell faces apart.
    """
    people = People(identity)
    if isinstance(detector, RegionDetector):
        return MeshFollower(detector, people, rate_hz=rate_hz, number=number, clip=clip)
    if number:
        raise ValueError(
            f"face {number} of {clip} is to drive, but landmarks.detector {detector.name!r} takes the face "
            "that it finds first; choose 'facemesh', or 0 for that face"
        )
    return Independent(detector, people, every=max(1, round(LOOK_EVERY_S * rate_hz)))


def _apart(last: NDArray, face: search.Face) -> float:
    """Distance of a face from the `last` region: of the centres, in sides, plus of the sizes, in octaves."""
    region = _region_about(face)
    return float(np.linalg.norm(region[:2] - last[:2]) / last[2] + abs(np.log2(region[2] / last[2])))


def _same(region: NDArray, now: NDArray) -> bool:
    """Whether a face has hardly moved in its region; looked at there again, it is seen with less tremor."""
    x, y, size, turn = now - region
    largest = max(np.hypot(x, y) / region[2], abs(size) / region[2], abs(turn))
    return bool(largest < RESTING)


def _region_of(mesh: NDArray) -> NDArray[np.float64]:
    """Region (x, y, side, angle) for the next look at a face with this mesh [468, 3]."""
    region = mediapipe.region_around(torch.from_numpy(mesh[None]))[0].numpy().astype(np.float64)
    region[2] = max(region[2], 8)  # noise has no extent
    return region


def _region_about(face: search.Face) -> NDArray[np.float64]:
    """Region of a face found on a picture; rough, as its points end at the brows."""
    left, top, right, bottom = face.box
    across = np.subtract(*face.points[list(WFLW98.outer_eyes)][::-1])
    return np.array([(left + right) / 2, (top + bottom) / 2, ROOM * face.width, np.arctan2(*across[::-1])])


def _window(image: NDArray, centre: NDArray, side: float) -> tuple[NDArray | None, tuple[int, int]]:
    """Part of the frame within a square of `side`, and its corner x, y; None when it lies outside."""
    height, width = image.shape[:2]
    x, y = (max(0, int(middle - side / 2)) for middle in centre)
    right, bottom = min(width, int(centre[0] + side / 2) + 1), min(height, int(centre[1] + side / 2) + 1)
    if right - x < 2 or bottom - y < 2:
        return None, (0, 0)
    return image[y:bottom, x:right], (x, y)
