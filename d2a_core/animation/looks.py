"""What the pictures of a video show beside the first detector's landmarks, one batch after the other.

Pictures are let go at once: only numbers and embeddings grow with the length of a clip.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import geometry, identity, surroundings
from d2a_core.faces.dlib_identity import DlibEmbedder
from d2a_core.faces.dlib_landmarks import SecondDetector, as_68, trusted
from d2a_core.media import resampling, similarity


class Flicker:
    """Unrest of a video, frame after frame."""

    def __init__(self) -> None:
        self._last: deque[NDArray[np.float32]] = deque(maxlen=2)
        self._changes: list[float] = []

    def add(self, images: NDArray[np.uint8]) -> None:
        """Look at the next frames u1 [N, H, W, 3]."""
        for image in images:
            small = resampling.scaled(image, similarity.SMALL, similarity.SMALL).astype(np.float32)
            if len(self._last) == 2:
                before, here = self._last
                self._changes.append(float(np.abs(before - 2 * here + small).mean()))
            self._last.append(small)

    @property
    def level(self) -> float:
        """Median over the frames of the mean absolute second difference of pixels along time.

        In gray levels, at 256 px: 0 for a still picture and for a steady fade, NaN for fewer than three
        frames. The median leaves cuts out.
        """
        return float(np.median(self._changes)) if self._changes else float("nan")


class Looks:
    """Looks at some frames of the video of a `photo` u1 [H, W, 3] with landmarks `points` [1, P, 2].

    `target` [T, P, 2] is what was asked for in each frame, as points of the first detector. Those of the
    `second` lie elsewhere by habit, at the jaw most of all: the way from the first one's points to its own on
    the photo is added to what was asked, so that a still video of the photo has no error. The way is that in
    the picture and does not turn with the head. Where the second detector is astray on the photo, it says
    nothing.
    """

    def __init__(
        self,
        photo: NDArray[np.uint8],
        points: NDArray,
        target: NDArray,
        embedder: DlibEmbedder,
        second: SecondDetector,
    ) -> None:
        self._photo, self._points, self._embedder, self._second = photo, points[0], embedder, second
        self.known = embedder.embed(photo[None], points)
        own = second.points(photo[None], points)
        habit = own - as_68(points) if trusted(own, points)[0] else np.nan
        self._asked = as_68(target) + habit
        self._faces = [np.zeros((0, self.known.shape[1]), np.float32)]
        self._errors, self._outside = [np.zeros(0, np.float32)], [np.zeros(0)]

    @property
    def faces(self) -> NDArray[np.float32]:
        """Embeddings [N, E] of the faces looked at; NaN where there was none."""
        return np.concatenate(self._faces)

    def add(self, frames: NDArray[np.int64], images: NDArray[np.uint8], points: NDArray) -> None:
        """Look at the frames number `frames` [N], u1 [N, H, W, 3] with landmarks [N, P, 2]."""
        self._faces.append(self._embedder.embed(images, points))
        pairs = [
            surroundings.compared(image, face, self._photo, self._points)
            for image, face in zip(images, points, strict=True)
        ]
        self._outside.append(np.array([similarity.psnr_where(*pair) for pair in pairs]))
        known = frames < len(self._asked)  # a container may announce one frame too many
        found = self._second.points(images, points)[known]
        self._errors.append(geometry.normalized_mean_error(found, self._asked[frames[known]]))

    def figures(self) -> dict[str, float]:
        """Figures over the frames.

        Mean, least and deviation of `identity`, the cosine between photo and result, and means of
        `nme_dlib_target`, the second detector's error, and of `psnr_outside`, in dB against the photo.
        """
        cosine = identity.cosine_similarity(self.known.repeat(len(self.faces), axis=0), self.faces)
        return {
            "identity": float(np.nanmean(cosine)),
            "least_identity": float(np.nanmin(cosine)),
            "identity_deviation": float(np.nanstd(cosine)),
            "nme_dlib_target": _mean(np.concatenate(self._errors)),
            "psnr_outside": _mean(np.concatenate(self._outside)),
        }


def _mean(values: NDArray) -> float:
    """Mean of the values [N] that are known, NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
