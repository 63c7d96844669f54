"""Follow one face through a clip: look where it was, search only when it is lost."""

from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from d2a_core.faces import mediapipe, search
from d2a_core.faces.landmarks import Detections, Follower, LandmarkDetector, describe
from d2a_core.faces.schemes import WFLW98, Scheme

PATIENCE_S = 1.0  # how long a lost face is waited for where it was, before another is taken
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


@dataclass(frozen=True)
class Independent:
    """A detector that looks at every frame as if it were the first."""

    detector: LandmarkDetector

    @property
    def scheme(self) -> Scheme:
        """Scheme of the detector."""
        return self.detector.scheme

    def see(self, image: NDArray[np.uint8], *, cut: bool) -> Detections:
        """Detect the face of a frame u1 [H, W, 3]."""
        return self.detector.detect(image[None])


class MeshFollower:
    """Look around the face mesh of the frame before, as MediaPipe does, so that no box can jitter.

    The largest face is taken at first. When the mesh fades, it is searched for near where it was for
    `PATIENCE_S`, and only then in the whole frame, where the nearest face wins; after a cut the largest.
    """

    def __init__(self, detector: RegionDetector, *, rate_hz: float) -> None:
        self.detector, self.scheme = detector, detector.scheme
        self.patience, self.every = round(PATIENCE_S * rate_hz), max(1, round(SEARCH_EVERY_S * rate_hz))
        self._region: NDArray | None = None  # of the face, or where it was
        self._lost = 0  # frames since it was seen, or since the clip or the shot began

    def see(self, image: NDArray[np.uint8], *, cut: bool) -> Detections:
        """Detect the followed face on the next frame u1 [H, W, 3]."""
        if cut:
            self._region, self._lost = None, 0
        region = self._region if self._lost == 0 else None
        points, score, mesh = self._look(image, region)
        if score < self.detector.options.min_score:
            region = self._search(image)
            if region is not None:
                region = _region_of(self._look(image, region)[2])
            points, score, mesh = self._look(image, region)
        found = bool(score >= self.detector.options.min_score)
        self._lost = 0 if found else self._lost + 1
        if found and region is not None:
            now = _region_of(mesh)
            self._region = region if _same(region, now) else now
        with np.errstate(invalid="ignore"):  # what was not found has no size
            return describe(points[None], np.array([score]), np.array([found]), self.scheme, image.shape[:2])

    def _look(self, image: NDArray[np.uint8], region: NDArray | None) -> tuple[NDArray, float, NDArray]:
        """Points [P, 3], score and mesh [468, 3] in pixels; only the frame around the region is touched."""
        nothing = np.zeros((self.scheme.size, 3)), 0.0, np.zeros((mediapipe.MESH_POINTS, 3))
        if region is None:
            return nothing
        part, offset = _window(image, region[:2], WINDOW * region[2])
        if part is None:
            return nothing
        points, score, mesh = self.detector.look_at(part[None], (region - [*offset, 0, 0])[None])
        shift = np.array([*offset, 0], np.float32)
        return points[0] + shift, float(score[0]), mesh[0] + shift

    def _search(self, image: NDArray[np.uint8]) -> NDArray | None:
        """Region [4] of the face to go on with, or None."""
        if self._region is not None:
            apart = partial(_apart, self._region)
            near = min(self._faces(image, near=self._region), key=apart, default=None)
            if near is not None and apart(near) < 1:
                return near
            if self._lost < self.patience:
                return None
        if self._lost % self.every:
            return None
        everyone = self._faces(image)
        if self._region is None:
            return next(iter(everyone), None)
        return min(everyone, key=partial(_apart, self._region), default=None)

    def _faces(self, image: NDArray[np.uint8], *, near: NDArray | None = None) -> list[NDArray]:
        """Regions of the faces of a frame, or of its part `near` a region, largest first."""
        part, offset = (image, (0, 0)) if near is None else _window(image, near[:2], NEARBY * near[2])
        if part is None:
            return []
        seen = search.find(part, self.detector.models, min_score=self.detector.options.min_score)
        sure = SURE * max((face.score for face in seen), default=0.0)
        return [_region_about(face) + [*offset, 0, 0] for face in seen if face.score >= sure]


def follower(detector: LandmarkDetector, *, rate_hz: float) -> Follower:
    """The way to follow a face with this detector."""
    if isinstance(detector, RegionDetector):
        return MeshFollower(detector, rate_hz=rate_hz)
    return Independent(detector)


def _apart(last: NDArray, region: NDArray) -> float:
    """Distance of a region from the `last`: of the centres, in sides, plus that of the sizes, in octaves."""
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
