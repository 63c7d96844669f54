"""Stage `driving`: clips as landmarks per frame, in the layout of aligned FFHQ faces."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from d2a_core import io
from d2a_core.alignment import Layout, align, layout
from d2a_core.landmarks import LandmarkDetector
from d2a_core.smoothing import fill_gaps, one_euro
from d2a_core.video import Frame


def steady(crops: Layout, *, rate_hz: float, cutoff_hz: float) -> Layout:
    """Crop that follows the head without its tremor: one width for the whole clip, centre and tilt smoothed.

    A crop that breathes with the mouth or jumps with the detector would move every landmark of the face.
    """
    width = np.median(np.linalg.norm(crops.axis, axis=1))
    smooth = one_euro(
        np.concatenate((crops.centre, crops.axis), axis=1),
        rate_hz,
        min_cutoff_hz=cutoff_hz,
        beta=0.0,
    )
    axis = smooth[:, 2:]
    return Layout(smooth[:, :2], axis * (width / np.linalg.norm(axis, axis=1, keepdims=True)))


@dataclass(frozen=True)
class Track:
    """Aligned landmarks of a clip: `points` [T, P, 2], `found`, `score`, `time_s` [T], `angles` [T, 3]."""

    points: NDArray[np.float32]
    found: NDArray[np.bool_]
    score: NDArray[np.float32]
    angles: NDArray[np.float32]
    time_s: NDArray[np.float64]


def track(
    frames: Iterable[Frame],
    detector: LandmarkDetector,
    reference: Layout,
    *,
    rate: Fraction,
    smoothing_hz: float,
    batch: int = 8,
    progress=None,
) -> Track:
    """Detect every frame, then align the points as FFHQ faces are. Frames without a face are bridged.

    `frames` yields objects with `image` u1 [H, W, 3] and `time_s`; they are streamed, a batch at a time.
    """
    points, found, scores, angles, times = [], [], [], [], []
    for chunk in batched(frames, batch):
        images = np.stack([frame.image for frame in chunk])
        detections = detector.detect(images)
        points.append(detections.points * np.array(images.shape[2:0:-1], np.float32))  # to pixels
        found.append(detections.found)
        scores.append(detections.score)
        angles.append(detections.angles)
        times.extend(frame.time_s for frame in chunk)
        if progress is not None:
            progress.advance(len(chunk))
    pixels, seen = np.concatenate(points), np.concatenate(found)
    filled = fill_gaps(pixels, seen)
    crops = steady(layout(filled, detector.scheme), rate_hz=float(rate), cutoff_hz=smoothing_hz)
    return Track(
        align(filled, crops, reference),
        seen,
        np.concatenate(scores),
        np.concatenate(angles),
        np.array(times),
    )


def table(track: Track) -> dict[str, object]:
    """Columns of the landmark table of a clip: one row a frame."""
    return {
        "frame": np.arange(len(track.found), dtype=np.int64),
        "time_s": track.time_s,
        "found": track.found,
        "score": track.score,
        "points": io.points_column(track.points),
        **{name: track.angles[:, index] for index, name in enumerate(("yaw", "pitch", "roll"))},
    }


def batched(items: Iterable, size: int) -> Iterator[list]:
    """Lists of up to `size` consecutive items."""
    chunk: list = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
