"""Stage `driving`: clips as landmarks per frame, in the layout of aligned FFHQ faces."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import directions, io, pairs
from d2a_core.landmarks import LandmarkDetector
from d2a_core.schemes import Scheme
from d2a_core.smoothing import fill_gaps, one_euro
from d2a_core.video import Frame

Score = dict[str, tuple[tuple[float, float], ...]]

# Keyframes of the performance: second of a 4 s score → attribute in standard deviations of the samples.
POSE_SCORE: Score = {
    "yaw": ((0, 0), (0.4, 0), (1.0, 1.8), (1.3, 1.8), (2.1, -1.8), (2.4, -1.8), (2.9, 0), (4, 0)),
    "pitch": ((0, 0), (2.9, 0), (3.2, 1.5), (3.5, -1.2), (3.8, 0), (4, 0)),
}
FACE_SCORE: Score = {
    "eye_opening": ((0, 0), (0.1, 0), (0.25, -3.2), (0.4, 0), (2.45, 0), (2.6, -3.2), (2.75, 0), (4, 0)),
    "mouth_opening": (
        (0, 0), (0.9, 0), (1.1, 2.8), (1.3, 0.3), (1.5, 2.6), (1.7, 0), (1.9, 2.2), (2.1, 0), (4, 0),
    ),
    "smile": ((0, 0), (2.7, 0), (3.1, 2.4), (3.6, 2.4), (3.9, 0), (4, 0)),
}  # fmt: skip
SCORE_SECONDS = 4.0
STEER_RIDGE = 0.05
POSE_LAYERS = 4  # head pose lives in the first layers of W+, expression in those after


@dataclass(frozen=True)
class Performance:
    """A clip that the project renders itself: the face of `seed` plays the score in `seconds`."""

    name: str
    seed: int
    truncation: float
    seconds: float
    fps: int


def score(played: Score, frames: int) -> NDArray[np.float32]:
    """Goal of every attribute over time, [frames, A], in standard deviations; cosine-eased keyframes."""
    time = np.linspace(0, SCORE_SECONDS, frames)
    goal = np.zeros((frames, len(directions.ATTRIBUTES)), np.float32)
    for name, keys in played.items():
        seconds, values = np.array(keys).T
        after = np.clip(np.searchsorted(seconds, time, side="right"), 1, len(seconds) - 1)
        share = np.clip((time - seconds[after - 1]) / (seconds[after] - seconds[after - 1]), 0, 1)
        eased = 0.5 - 0.5 * np.cos(np.pi * share)
        column = directions.ATTRIBUTES.index(name)
        goal[:, column] = values[after - 1] + eased * (values[after] - values[after - 1])
    return goal


def perform(store: Mapping[str, NDArray], wplus: Tensor, performance: Performance) -> Tensor:
    """Δw [T, L, 512] that plays the scores on the face `wplus` [1, 16, 512], within the latent radius.

    `store` is the directions' store: each goal becomes the least-squares sum of directions whose measured
    effects give it, pose on the first layers and expression on the rest, so that less of the face changes.
    """
    frames = round(performance.seconds * performance.fps)
    vector = torch.from_numpy(store["vector"])
    delta = torch.zeros(frames, *vector.shape[1:])
    for played, layers in ((POSE_SCORE, slice(0, POSE_LAYERS)), (FACE_SCORE, slice(POSE_LAYERS, None))):
        goal = score(played, frames) * store["deviation"]
        weights = torch.from_numpy(
            directions.steer(store["effect"], store["deviation"], goal, ridge=STEER_RIDGE)
        )
        delta[:, layers] = torch.einsum("tm,mld->tld", weights, vector[:, layers])
    base = wplus[:, : delta.shape[1]].expand(len(delta), -1, -1)
    mean_w = torch.from_numpy(store["mean_w"])
    return delta * pairs.renorm(delta, base, mean_w, radius=float(store["radius"][0]))[..., None]


@dataclass(frozen=True)
class Layout:
    """A crop of FFHQ alignment: `centre` [N, 2] and `axis` [N, 2], half its width along the eyes."""

    centre: NDArray[np.float64]
    axis: NDArray[np.float64]


def layout(points: NDArray, scheme: Scheme) -> Layout:
    """Crop of FFHQ alignment (Karras et al. 2019, appendix A) for points [N, P, 2] in isotropic units.

    With the eye centres' middle e and difference d, and m the mouth's middle minus e: the axis points along
    d - rot90(m), its length is max(2|d|, 1.8|m|), the centre is e + 0.1 m.
    """
    left, right = (points[:, list(eye)].mean(axis=1) for eye in (scheme.left_eye, scheme.right_eye))
    eyes, across = (left + right) / 2, right - left
    down = points[:, list(scheme.mouth_corners)].mean(axis=1) - eyes
    axis = across - np.stack((-down[:, 1], down[:, 0]), axis=1)
    length = np.maximum(2.0 * np.linalg.norm(across, axis=1), 1.8 * np.linalg.norm(down, axis=1))
    axis *= (length / np.linalg.norm(axis, axis=1))[:, None]
    return Layout(eyes + 0.1 * down, axis)


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


def align(points: NDArray, crops: Layout, reference: Layout) -> NDArray[np.float32]:
    """Move points [N, P, 2] by the similarity that takes each crop to the `reference` crop (one row)."""
    scale = reference.axis[0] @ np.array([1, 1j]) / (crops.axis @ np.array([1, 1j]))
    local = (points - crops.centre[:, None]) @ np.array([1, 1j])
    placed = local * scale[:, None]
    return (np.stack((placed.real, placed.imag), axis=-1) + reference.centre[0]).astype(np.float32)


def reference_layout(table: pyarrow.Table, scheme: Scheme) -> Layout:
    """The crop of a typical sampled face, from the landmark table of all samples: medians over the faces.

    Landmarks of another detector than FFHQ's sit slightly elsewhere; taking the generator's own faces
    as reference removes that shift.
    """
    found = table.column("found").to_numpy(zero_copy_only=False)
    crops = layout(io.points_array(table)[found], scheme)
    return Layout(
        np.median(crops.centre, axis=0, keepdims=True), np.median(crops.axis, axis=0, keepdims=True)
    )


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
