"""Detect faces on pictures as they are rendered."""

import numpy as np
from torch import Tensor

from d2a_core.faces import landmarks
from d2a_core.faces.landmarks import Detections, LandmarkDetector
from d2a_core.generator.generator import Generator
from d2a_core.generator.rendering import apply, render
from d2a_core.runtime import Progress


def detect(
    generator: Generator,
    detector: LandmarkDetector,
    wplus: Tensor,
    delta: Tensor,
    *,
    size: int,
    progress: Progress | None = None,
) -> Detections:
    """Detect faces on pictures of w + Δw, `wplus` [T, K, 512] and `delta` [T, L, 512]."""
    parts = []
    for w, move in zip(wplus.split(generator.batch), delta.split(generator.batch), strict=True):
        parts.append(detector.detect(render(generator, apply(w, move), size)))
        if progress is not None:
            progress.advance(len(w), found=float(np.concatenate([part.found for part in parts]).mean()))
    return landmarks.join(parts)
