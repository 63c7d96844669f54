"""A performed driving clip: a score of moves, played by a face that does not exist."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions import directions
from d2a_core.directions.ball import Ball
from d2a_core.faces import controls, geometry
from d2a_core.faces.landmarks import Detections, DifferentiableDetector, LandmarkDetector
from d2a_core.faces.schemes import scheme_of
from d2a_core.fan import image_loss
from d2a_core.fan.image_loss import ImageLoss, Weights
from d2a_core.fan.refinement import Refinement
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.runtime import Job, Progress

Values = Mapping[str, float]
REST: Values = {}
# Second of a 4 s score → where the controls are; in between they go from one to the next.
SCORE: tuple[tuple[float, Values], ...] = (
    (0.0, REST),
    (0.15, REST),
    (0.35, {"eyes_closed": 100}),
    (0.55, REST),
    (1.0, {"yaw": 24, "mouth_open": 6}),
    (1.2, {"yaw": 24, "mouth_open": 35}),
    (1.8, {"yaw": -24, "mouth_open": 32}),
    (2.1, {"yaw": -24, "brows_up": 12}),
    (2.5, {"brows_up": 12, "smile": 9}),
    (2.7, {"eyes_closed": 100}),
    (2.9, {"smile": 10}),
    (3.2, {"pitch": 14, "smile": 10}),
    (3.6, {"pitch": -14, "smile": 8}),
    (3.9, REST),
    (4.0, REST),
)
SCORE_SECONDS = 4.0
POSE = ("yaw", "pitch", "roll")
POSE_LAYERS = 4  # head pose lives in the first layers of W+, the face in others
STEER_RIDGE = 0.02
START = 0.7  # of what directions give, from which gradient steps start: they carry age and hair with them


@dataclass(frozen=True)
class Performance:
    """A clip that the project renders itself: the face of `seed` plays the score in `seconds`."""

    name: str
    seed: int
    truncation: float
    seconds: float
    fps: int


def poses() -> list[Values]:
    """The poses of the score that are not at rest, each once."""
    return [values for number, (_, values) in enumerate(SCORE) if values and values not in _before(number)]


def _before(number: int) -> list[Values]:
    return [values for _, values in SCORE[:number]]


def played(delta: Tensor, *, seconds: float, fps: float) -> Tensor:
    """Δw [T, L, 512] of all frames, from those of the `poses` [N, L, 512], eased in and out."""
    frames = round(seconds * fps)
    known = poses()
    stations = torch.stack(
        [delta[known.index(values)] if values else torch.zeros_like(delta[0]) for _, values in SCORE]
    )
    time, second = np.linspace(0, SCORE_SECONDS, frames), np.array([second for second, _ in SCORE])
    after = np.clip(np.searchsorted(second, time, side="right"), 1, len(second) - 1)
    share = np.clip((time - second[after - 1]) / (second[after] - second[after - 1]), 0, 1)
    eased = torch.from_numpy(0.5 - 0.5 * np.cos(np.pi * share)).float()[:, None, None]
    return stations[after - 1] + eased * (stations[after] - stations[after - 1])


def steered(store: Mapping[str, NDArray], seen: Detections) -> Tensor:
    """Steps of the `poses` [N, L, 512] by directions of the `store`, for a performer as `seen` [1] at rest.

    Each goal becomes the least-squares sum of directions whose measured effects give it, the pose on the
    first layers and the expression on the rest, so that less of the face changes.
    """
    goal = _goals(seen)
    vector = torch.from_numpy(store["vector"])
    delta = torch.zeros(len(goal), *vector.shape[1:])
    head = np.isin(geometry.ATTRIBUTES, POSE)
    for chosen, layers in ((head, slice(0, POSE_LAYERS)), (~head, slice(POSE_LAYERS, None))):
        measured = store["vector"][:, 0], store["effect"], store["deviation"]
        weights = torch.from_numpy(directions.steer(*measured, goal * chosen, ridge=STEER_RIDGE))
        delta[:, layers] = torch.einsum("tm,mld->tld", weights, vector[:, layers])
    return delta


def _goals(seen: Detections) -> NDArray[np.float32]:
    """Change of the attributes [N, A] that each of the `poses` asks of a face."""
    scheme = scheme_of(seen.points.shape[1])
    rest = geometry.attributes(seen.points, seen.canonical, seen.angles, scheme)
    goal = np.zeros((len(poses()), len(geometry.ATTRIBUTES)), np.float32)
    for row, values in enumerate(poses()):
        for control in controls.of_scheme(scheme):
            value = values.get(control.name, 0.0)
            factor = -100 / rest[control.attribute][0] if control.factor is None else control.factor
            if value and control.attribute in geometry.ATTRIBUTES:
                goal[row, geometry.ATTRIBUTES.index(control.attribute)] = value / factor
    return goal


def loss_of_job(job: Job, generator: PretrainedGenerator, detector: LandmarkDetector) -> ImageLoss | None:
    """Load the loss that steps follow, from the params `loss`; None where a detector has no gradients."""
    if not isinstance(detector, DifferentiableDetector):
        return None
    return image_loss.of_job(job, generator, detector, Weights(**job.params.loss))


def gradient_steps(loss: ImageLoss | None, steps: int) -> int:
    """Gradient steps that `perform` takes, so many `steps` on each of the `poses`."""
    return steps * len(poses()) if loss else 0


def perform(
    loss: ImageLoss | None,
    ball: Ball,
    store: Mapping[str, NDArray],
    wplus: Tensor,
    seen: Detections,
    *,
    steps: int,
    progress: Progress | None = None,
) -> Tensor:
    """Put the face `wplus` [1, K, 512], as `seen` [1] at rest, into each of the `poses`: Δw [N, L, 512].

    So many gradient `steps` of each pose on the `loss` go on from part of what directions give. None are
    taken where the loss is None, for want of a detector with gradients. Raises ValueError where no face is
    seen.
    """
    if not seen.found.all():
        raise ValueError("no face is seen on the performer; choose another driving.performances.seed")
    delta = steered(store, seen)
    codes = wplus.expand(len(delta), -1, -1)
    if loss is None:
        return ball.renorm(delta, codes)
    points = np.repeat(seen.points, len(delta), axis=0)
    asked = [controls.asked(seen.points, seen.angles, values) for values in poses()]
    start, goal = ball.renorm(START * delta, codes), torch.from_numpy(np.concatenate(asked))
    loss = loss.around(wplus, start)
    faces = loss.faces(codes, points)
    return Refinement(loss, ball, faces, start, goal).take(steps, progress)
