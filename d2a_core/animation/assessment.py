"""Measure how well a rendered video follows its driver and keeps its source."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.animation import motion, retiming
from d2a_core.animation.looks import Flicker, Looks
from d2a_core.faces import dlib_identity, geometry
from d2a_core.faces.alignment import Crop, extract
from d2a_core.faces.dlib_landmarks import SecondDetector
from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.media import video_reading
from d2a_core.media.video_reading import Frame
from d2a_core.runtime import Progress
from d2a_core.store import tables

EVERY = 5  # frames between two looks at what is dear and changes slowly: see `looks`
DRIVER_LOOKS = 12  # frames of a clip on which the driver's face is looked at
HIGH = 0.95  # quantile of the strangers' likeness above which a face is no stranger's
LOOK = 512  # px, side at which faces of footage are looked at
UNKNOWN = np.zeros((0, 1), np.float32)  # embeddings of nobody


@dataclass(frozen=True)
class Driving:
    """Reference of a video: a clip's landmarks and its moments, and the faces that are seen.

    `points` [T, P, 2] at `known_s` [T] are the clip's; `target` [T', P, 2] is what the source was asked for
    at the moments `time_s` [T'] of the video, on the clock of the clip. `faces` [M, E] are embeddings of the
    driver, `strangers` [S, E] of other people; either may have no row, and NaN in one.
    """

    points: NDArray
    known_s: NDArray
    target: NDArray
    time_s: NDArray
    faces: NDArray
    strangers: NDArray


def assess(
    frames: Iterable[Frame],
    photo: NDArray[np.uint8],
    photo_points: NDArray,
    driving: Driving,
    detector: LandmarkDetector,
    embedder: dlib_identity.DlibEmbedder,
    second: SecondDetector,
    *,
    batch: int = 4,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Compare a video of an aligned face with its clip, at the moments of the clip.

    `photo` u1 [H, W, 3] is the aligned source with landmarks `photo_points` [1, P, 2]. Returns the figures of
    `following`, `Looks`, `anonymity` and `Flicker`, `frames`, and how many were `lost`, without a face.
    """
    looks = Looks(photo, photo_points, driving.target, embedder, second)
    points, flicker, stream = [], Flicker(), iter(frames)
    while chunk := list(islice(stream, batch)):
        images = np.stack([frame.image for frame in chunk])
        seen = detector.detect(images).points
        points.append(seen)
        flicker.add(images)
        numbers = np.array([frame.index for frame in chunk])
        looked = numbers % EVERY == 0
        if looked.any():
            looks.add(numbers[looked], images[looked], seen[looked])
        if progress is not None:
            progress.advance(len(chunk))
    result = np.concatenate(points)
    return {
        **following(result, driving),
        **looks.figures(),
        **anonymity(looks.known, looks.faces, driving),
        "flicker": flicker.level,
        "frames": len(result),
        "lost": int(np.isnan(result).any(axis=(1, 2)).sum()),
    }


def following(result: NDArray, driving: Driving) -> dict[str, float]:
    """Compare a video, seen as landmarks [T', P, 2], with its clip, at the moments of the clip.

    The figures of `motion.compare` against the driver, those of `motion.followed` and the error `nme_target`
    against what was asked.
    """
    count = min(len(result), len(driving.time_s))  # a container may announce one frame too many
    time_s = driving.time_s[:count]
    seen, target = (
        retiming.at(points[:count], time_s, driving.known_s) for points in (result, driving.target)
    )
    error = float(np.nanmean(geometry.normalized_mean_error(seen, target)))
    return motion.compare(seen, driving.points) | motion.followed(seen, target) | {"nme_target": error}


def anonymity(source: NDArray, result: NDArray, driving: Driving) -> dict[str, float]:
    """Compare with the driver's face: the result, the source itself, and people who are neither.

    `source` [1, E] and `result` [N, E] are embeddings. Each figure is the mean cosine over all frames of
    both: `driver_identity` of the result, `driver_identity_source` of the source, `driver_strangers` of
    strangers; of these one in twenty is above `driver_strangers_high`. NaN where there is nobody to compare
    with.
    """
    others = _likeness(driving.strangers, driving.faces)
    return {
        "driver_identity": _mean(_likeness(result, driving.faces)),
        "driver_identity_source": _mean(_likeness(source, driving.faces)),
        "driver_strangers": _mean(others),
        "driver_strangers_high": float(np.quantile(others, HIGH)) if len(others) else float("nan"),
    }


def _likeness(faces: NDArray, others: NDArray) -> NDArray[np.float64]:
    """Mean cosine of each of `faces` [N, E] with all of `others` [M, E], [N]; rows of NaN are left out."""
    one, two = (rows[np.isfinite(rows).all(axis=1)].astype(np.float64) for rows in (faces, others))
    if not len(one) or not len(two):
        return np.zeros(0)
    one, two = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, two))
    return (one @ two.T).mean(axis=1)


def _mean(values: NDArray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def ways(driver: pyarrow.Table, latents: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Collect landmarks and moments of a `Driving` from the clip's table and the latents of `animate`."""
    known_s = driver.column("time_s").to_numpy()
    asked = {name: latents[name] for name in ("target", "time_s")}
    return {"points": tables.points_array(driver), "known_s": known_s, **asked}


def driver_faces(
    clips: Sequence[str], tracks: Iterable[pyarrow.Table], embedder: dlib_identity.DlibEmbedder
) -> NDArray[np.float32]:
    """Embeddings [M, E] of the driver on frames spread over each clip, those in which the face was found.

    `clips` are paths: of two drivers two, none where nobody is to be seen; `tracks` are their driving tables,
    which tell whose face it is that drives.
    """
    rows = []
    for clip, track in zip(clips, tracks, strict=True):
        points, quads = (tables.points_array(track, name) for name in ("points", "quad"))
        found = np.flatnonzero(track.column("found").to_numpy(zero_copy_only=False))
        wanted = found[np.linspace(0, len(found) - 1, min(len(found), DRIVER_LOOKS)).round().astype(int)]
        for frame in video_reading.read_frames(clip):
            if frame.index in wanted:
                place = Crop(quads[frame.index].astype(np.float64), size=1).to_photo(points[frame.index])
                rows.append(embedder.embed(frame.image[None], place[None] / frame.image.shape[1::-1]))
    return np.concatenate(rows) if rows else UNKNOWN


def summary(figures: Mapping[str, float]) -> str:
    """Sum a video up for its maker, in one line; NaN is a dash."""

    def shown(name: str) -> str:
        return "–" if np.isnan(figures[name]) else f"{figures[name]:.2f}".replace("-", "−")

    parts = ("yaw", "mouth", "eye")
    followed = ", ".join(f"{name} {shown(f'driver_{name}_correlation')}" for name in parts)
    line = f"follows its driver: {followed}; likeness to the source {shown('identity')}"
    if np.isnan(figures["driver_identity"]):
        return line
    return (
        f"{line}, to the driver {shown('driver_identity')} "
        f"(strangers {shown('driver_strangers')}, one in twenty above {shown('driver_strangers_high')})"
    )


def cut_out(frames: Iterable[Frame], quads: NDArray) -> Iterator[Frame]:
    """Cut out the face of every frame, at `quads` [T, 4, 2] in its pixels, to look at: u1 [LOOK, LOOK, 3].

    They are counted anew, from 0.
    """
    for index, (frame, quad) in enumerate(zip(frames, quads, strict=False)):
        face = extract(frame.image, Crop(quad.astype(np.float64), LOOK))
        yield replace(frame, index=index, image=face)


def of_first(latents: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """What was asked of the first person of a footage, from its latents: `row`, `target` and `time_s` [N]."""
    here = latents["person"] == 0
    row = latents["row"][here]
    return {"row": row, "target": latents["target"][here], "time_s": latents["time_s"][row]}


def unrest(frames: Iterable[Frame], *, whole: int) -> dict[str, float]:
    """Tell how much the `frames` that were driven flicker in the footage itself, and of how many they are."""
    flicker = Flicker()
    for frame in frames:
        flicker.add(frame.image[None])
    return {"footage_flicker": flicker.level, "footage_frames": whole}


def footage_summary(figures: Mapping[str, float]) -> str:
    """Sum up for its maker how a video compares with its footage, in one line."""
    frames, whole = (round(figures[name]) for name in ("frames", "footage_frames"))
    shown, cut = (
        (f"all {frames}", "") if frames >= whole else (f"{frames} of {whole}", ", as its driver lasts")
    )
    length = f"{shown} frames with its face{cut}"
    before, after = (figures[name] for name in ("footage_flicker", "flicker"))
    return f"{length}; flicker of the face {after:.2f} gray levels, in the footage {before:.2f}"


def columns(figures: Mapping[str, float], **names: str) -> dict[str, list]:
    """Columns of a table of one row: `names` first, then the figures."""
    return {name: [value] for name, value in {**names, **figures}.items()}
