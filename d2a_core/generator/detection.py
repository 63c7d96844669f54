"""Detect faces on pictures as they are rendered."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from torch import Tensor

from d2a_core import runtime
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
    """Detect faces on pictures of w + Δw, `wplus` [T, K, 512] and `delta` [T, L, 512].

    A job of several threads detects on one batch while the next is rendered: detection fills no two of them.
    """
    parts: list[Detections] = []
    looks: deque[Future[Detections]] = deque()
    ahead = 1 if runtime.threads() > 1 else 0

    def take() -> None:
        parts.append(looks.popleft().result())
        if progress is not None:
            found = float(np.concatenate([part.found for part in parts]).mean())
            progress.advance(len(parts[-1].found), found=found)

    with ThreadPoolExecutor(max_workers=1) as beside:
        for w, move in zip(wplus.split(generator.batch), delta.split(generator.batch), strict=True):
            looks.append(beside.submit(detector.detect, render(generator, apply(w, move), size)))
            while len(looks) > ahead:
                take()
        while looks:
            take()
    return landmarks.join(parts)
