"""How well a rendered video follows its driver and keeps its source."""

from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from d2a_core import geometry, identity, motion
from d2a_core.landmarks import LandmarkDetector
from d2a_core.video import Frame

EVERY = 5  # frames between two looks at the identity, which are dear and change slowly


def assess(
    frames: Iterable[Frame],
    photo: NDArray[np.uint8],
    photo_points: NDArray,
    driver: NDArray,
    target: NDArray,
    detector: LandmarkDetector,
    embedder: identity.Embedder,
    *,
    batch: int = 4,
    progress=None,
) -> dict[str, float]:
    """Figures of a video of an aligned face, frame by frame against its clip.

    `photo` u1 [H, W, 3] is the aligned source with landmarks `photo_points` [1, P, 2]; `driver` and `target`
    [T, P, 2] are the landmarks of the clip and those that the source was asked for. Returns the figures of
    `motion.compare` against the driver, the error `nme_target` against what was asked, `frames`, how many
    were `lost`, without a face, and mean, least and deviation over time of `identity`, the cosine between
    photo and result.
    """
    known = embedder.embed(photo[None], photo_points)
    points, likeness = [], []
    stream = iter(frames)
    while chunk := list(islice(stream, batch)):
        images = np.stack([frame.image for frame in chunk])
        seen = detector.detect(images).points
        points.append(seen)
        looked = [number for number, frame in enumerate(chunk) if frame.index % EVERY == 0]
        if looked:
            faces = embedder.embed(images[looked], seen[looked])
            likeness.append(identity.cosine_similarity(known.repeat(len(looked), axis=0), faces))
        if progress is not None:
            progress.advance(len(chunk))
    result, cosine = np.concatenate(points), np.concatenate(likeness)
    count = min(len(result), len(driver))
    return motion.compare(result[:count], driver[:count]) | {
        "nme_target": float(np.nanmean(geometry.normalized_mean_error(result[:count], target[:count]))),
        "identity": float(np.nanmean(cosine)),
        "least_identity": float(np.nanmin(cosine)),
        "identity_deviation": float(np.nanstd(cosine)),
        "frames": len(result),
        "lost": int(np.isnan(result).any(axis=(1, 2)).sum()),
    }


def columns(figures: Mapping[str, float], **names: str) -> dict[str, list]:
    """The table of one row: `names` first, then the figures."""
    return {name: [value] for name, value in {**names, **figures}.items()}
