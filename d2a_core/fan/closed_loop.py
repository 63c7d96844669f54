"""Drive one source with FAN: ask for landmarks, render, look again and ask for the rest."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions import ball
from d2a_core.directions.ball import Ball
from d2a_core.faces import detectors
from d2a_core.faces.geometry import normalized_mean_error
from d2a_core.faces.landmarks import Detections, LandmarkDetector
from d2a_core.fan import groups, image_loss
from d2a_core.fan.conditioned import ConditionedFan
from d2a_core.fan.groups import SplitFan
from d2a_core.fan.image_loss import ImageLoss
from d2a_core.fan.network import Fan
from d2a_core.generator import detection, generator
from d2a_core.generator.generator import Generator
from d2a_core.inversion import tuning
from d2a_core.runtime import Job, Progress
from d2a_core.store import arrays, weights

FRAMES = 64  # of a clip that FAN sees at a time


@dataclass(frozen=True)
class LatentPath:
    """Path through W+: `wplus` [T, K, 512] the source of each frame, `delta` [T, L, 512] added to it.

    `target` [T, P, 2] are the landmarks it leads to. `error` [passes + 1, T] is the landmark error (NME,
    inter-ocular) on drafts after the open loop and after each closed-loop pass; it has no rows when there was
    no pass. Infinite: no face.
    """

    wplus: Tensor
    delta: Tensor
    error: NDArray[np.float32]
    target: NDArray[np.float32]


@dataclass(frozen=True)
class Animator:
    """The trained parts that turn landmarks into motion; `size` is that of the drafts that are looked at.

    `loss` is what gradient steps follow, None where none are asked for. `facts` on generator and FAN
    are for the provenance of artefacts.
    """

    generator: Generator
    detector: LandmarkDetector
    fan: Fan | ConditionedFan | SplitFan
    ball: Ball
    size: int
    loss: ImageLoss | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def followed(self) -> ImageLoss:
        """The loss of gradient steps; raises ValueError where it was loaded without one."""
        if self.loss is None:
            raise ValueError("gradient steps follow a loss; give its weights and the identity network")
        return self.loss

    def around(self, wplus: Tensor, delta: Tensor | None = None) -> "Animator":
        """The same on drafts of one face: see `ImageLoss.around`. Without a loss it stays as it is."""
        if self.loss is None:
            return self
        loss = self.loss.around(wplus, delta)
        return replace(self, generator=loss.generator, loss=loss)


def facts(network: generator.PretrainedGenerator, fan: Mapping) -> dict[str, str]:
    """Facts on a generator and the checkpoint `fan`, with the bundle that it came in, if any."""
    bundle = fan["provenance"].get("bundle_sha256")
    return {**network.identity.facts, **({"bundle_sha256": bundle} if bundle else {})}


def of_job(job: Job) -> Animator:
    """Load the trained parts of a Snakemake job.

    Its inputs are `generator`, `draft`, `models`, `directions` and `fan`. `fan` is one path, or a list of one
    or two (see `groups.load`). Where there is a `tuning`, the generator is the one tuned to that source.
    Where the params hold weights of a `loss`, `identity` is an input. Raises ValueError when a part, or the
    `code` of a source, was made with another generator, or points were found by another detector.
    """
    inputs = job.input
    fans = [inputs.fan] if isinstance(inputs.fan, (str, os.PathLike)) else inputs.fan
    codes, seen = _given(inputs, "code"), _given(inputs, "landmarks", "driving")
    tunings = getattr(inputs, "tuning", [])
    network = generator.of_job(job, inputs.directions, *fans, *codes, *tunings)
    for path in tunings:
        tuning.apply_delta(network, weights.read_checkpoint(path)["delta"])
    detector = detectors.of_job(job, inputs.directions, *fans, *seen)
    followed = getattr(job.params, "loss", None)
    states = list(map(weights.read_checkpoint, fans))
    return Animator(
        network,
        detector,
        groups.load(states, device=network.device),
        ball.from_store(arrays.read_zarr(inputs.directions, ball.STORED)),
        size=job.params.generator["draft_size"],
        loss=image_loss.of_job(job, network, detector, image_loss.Weights(**followed)) if followed else None,
        facts=facts(network, states[0]),
    )


def _given(inputs: object, *names: str) -> list[str]:
    return [getattr(inputs, name) for name in names if hasattr(inputs, name)]


def step(animator: Animator, wplus: Tensor, delta: Tensor, current: NDArray, target: NDArray) -> Tensor:
    """Let FAN see `current` and `target` points [T, P, 2]: Δw [T, L, 512] of equation 6, kept in the ball.

    `wplus` [T, K, 512] are the sources, whose first layer is the code that FAN sees, and `delta` what was
    added to them before. The sum is re-normed layer by layer as the training pairs were, so no pass leaves
    the ball in which FAN was trained. Where a point is NaN, no face having been found, nothing is added.
    """
    with torch.no_grad():
        points = torch.tensor(current).float(), torch.from_numpy(target).float()
        change = animator.fan(*points, wplus[:, 0]).cpu()
    return animator.ball.renorm(delta + change.nan_to_num(nan=0.0), wplus)


def detect(animator: Animator, wplus: Tensor, delta: Tensor, progress: Progress | None = None) -> Detections:
    """Detect faces on drafts of w + Δw, `wplus` [T, K, 512] and `delta` [T, L, 512]."""
    return detection.detect(
        animator.generator, animator.detector, wplus, delta, size=animator.size, progress=progress
    )


def look(
    animator: Animator, wplus: Tensor, delta: Tensor, target: NDArray, progress: Progress | None = None
) -> tuple[NDArray, NDArray]:
    """Detect drafts of w + Δw: points [T, P, 2], error [T] against the target (no face: infinite)."""
    points = detect(animator, wplus, delta, progress).points
    error = normalized_mean_error(points, target)
    return points, np.where(np.isnan(error), np.inf, error).astype(np.float32)


def lead(animator: Animator, wplus: Tensor, source: NDArray, target: NDArray) -> LatentPath:
    """Follow target points [T, P, 2] from source points [T, P, 2] without looking: the paper's open loop.

    `wplus` [T, K, 512].
    """
    still = torch.zeros(len(target), animator.fan.architecture.layers, wplus.shape[-1])
    delta = step(animator, wplus, still, source, target)
    return LatentPath(wplus, delta, np.zeros((0, len(target)), np.float32), target)


def lead_clip(animator: Animator, wplus: Tensor, source: NDArray, target: NDArray) -> LatentPath:
    """Do so with a long clip, some frames at a time: nothing but Δw itself grows with it."""
    parts = np.array_split(np.arange(len(target)), max(1, len(target) // FRAMES))
    delta = [lead(animator, wplus[rows], source[rows], target[rows]).delta for rows in parts]
    return LatentPath(wplus, torch.cat(delta), np.zeros((0, len(target)), np.float32), target)


def drive(
    animator: Animator,
    wplus: Tensor,
    source: NDArray,
    target: NDArray,
    *,
    passes: int,
    progress: Progress | None = None,
) -> Iterator[LatentPath]:
    """Follow target points [T, P, 2] from source points [T, P, 2]: the open loop, then each closed-loop pass.

    `wplus` [T, K, 512]. A pass renders where FAN arrived, detects, and applies FAN to what remains; it is
    kept, frame by frame, only where it brought the landmarks closer to the target.
    """
    path = lead(animator, wplus, source, target)
    yield path
    if not passes:
        return
    delta = path.delta
    points, error = look(animator, wplus, delta, target, progress)
    errors = [error]
    for _ in range(passes):
        usable = np.where(np.isnan(points), source, points).astype(np.float32)
        trial = step(animator, wplus, delta, usable, target)
        trial_points, trial_error = look(animator, wplus, trial, target, progress)
        better = trial_error < errors[-1]
        delta = torch.where(torch.from_numpy(better)[:, None, None], trial, delta)
        points = np.where(better[:, None, None], trial_points, points)
        errors.append(np.where(better, trial_error, errors[-1]))
        yield LatentPath(wplus, delta, np.stack(errors), target)
