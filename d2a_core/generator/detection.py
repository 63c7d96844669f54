"""Detect faces on pictures as they are rendered."""

from torch import Tensor

from d2a_core.faces import landmarks
from d2a_core.faces.landmarks import Detections, LandmarkDetector
from d2a_core.generator.generator import Generator
from d2a_core.generator.rendering import apply, render


def detect(
    generator: Generator,
    detector: LandmarkDetector,
    wplus: Tensor,
    delta: Tensor,
    *,
    size: int,
    progress=None,
) -> Detections:
    """What a detector sees on pictures of w + Δw, `wplus` [T, K, 512] and `delta` [T, L, 512]."""
    parts = []
    for w, move in zip(wplus.split(generator.batch), delta.split(generator.batch), strict=True):
        parts.append(detector.detect(render(generator, apply(w, move), size)))
        if progress is not None:
            progress.advance(len(w))
    return landmarks.join(parts)
