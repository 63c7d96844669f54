"""A performed driving clip: a score of moves, played by a face that does not exist."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions import ball, directions
from d2a_core.faces import geometry

Score = dict[str, tuple[tuple[float, float], ...]]

# Keyframes of the performance: second of a 4 s score → attribute in standard deviations of the samples. They
# ask for more than is seen: effects are measured on all layers and played on a part of them.
POSE_SCORE: Score = {
    "yaw": ((0, 0), (0.4, 0), (1.0, 2.1), (1.3, 2.1), (2.1, -2.1), (2.4, -2.1), (2.9, 0), (4, 0)),
    "pitch": ((0, 0), (2.9, 0), (3.2, 2.0), (3.5, -1.6), (3.8, 0), (4, 0)),
}
FACE_SCORE: Score = {
    "eye_opening": ((0, 0), (0.1, 0), (0.3, -4.2), (0.5, 0), (2.4, 0), (2.6, -4.2), (2.8, 0), (4, 0)),
    "mouth_opening": (
        (0, 0), (0.9, 0), (1.1, 4.4), (1.3, 0.5), (1.5, 4.2), (1.7, 0), (1.9, 3.8), (2.1, 0), (4, 0),
    ),
    "smile": ((0, 0), (2.7, 0), (3.1, 4.0), (3.6, 4.0), (3.9, 0), (4, 0)),
}  # fmt: skip
SCORE_SECONDS = 4.0
STEER_RIDGE = 0.02
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
    goal = np.zeros((frames, len(geometry.ATTRIBUTES)), np.float32)
    for name, keys in played.items():
        seconds, values = np.array(keys).T
        after = np.clip(np.searchsorted(seconds, time, side="right"), 1, len(seconds) - 1)
        share = np.clip((time - seconds[after - 1]) / (seconds[after] - seconds[after - 1]), 0, 1)
        eased = 0.5 - 0.5 * np.cos(np.pi * share)
        column = geometry.ATTRIBUTES.index(name)
        goal[:, column] = values[after - 1] + eased * (values[after] - values[after - 1])
    return goal


def perform(store: Mapping[str, NDArray], wplus: Tensor, performance: Performance) -> Tensor:
    """Play the scores on the face `wplus` [1, K, 512], within the ball of the latents: Δw [T, L, 512].

    `store` is the directions' store: each goal becomes the least-squares sum of directions whose measured
    effects give it, pose on the first layers and expression on the rest, so that less of the face changes.
    """
    frames = round(performance.seconds * performance.fps)
    vector = torch.from_numpy(store["vector"])
    delta = torch.zeros(frames, *vector.shape[1:])
    for played, layers in ((POSE_SCORE, slice(0, POSE_LAYERS)), (FACE_SCORE, slice(POSE_LAYERS, None))):
        goal = score(played, frames) * store["deviation"]
        measured = store["vector"][:, 0], store["effect"], store["deviation"]
        weights = torch.from_numpy(directions.steer(*measured, goal, ridge=STEER_RIDGE))
        delta[:, layers] = torch.einsum("tm,mld->tld", weights, vector[:, layers])
    return ball.from_store(store).renorm(delta, wplus.expand(frames, -1, -1))
