"""Stage `animations`: driving landmarks → path in W+ → frames (paper, "Inference", equations 6 and 7)."""

import logging
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray

from d2a_core.animation import motion, poses, refinements, rests, retiming
from d2a_core.animation.filters import one_euro, runs
from d2a_core.animation.motion import Transfer
from d2a_core.animation.retiming import Times
from d2a_core.faces import geometry
from d2a_core.faces.heads import Heads, lift, lift_clip, project
from d2a_core.faces.schemes import scheme_of
from d2a_core.fan import closed_loop
from d2a_core.fan.closed_loop import Animator, LatentPath
from d2a_core.runtime import Progress
from d2a_core.store import tables


@dataclass(frozen=True)
class Options:
    """Config section `animations`."""

    motion: str
    neutral_s: float | None
    rest_lips: str
    motion_scale: float
    pose_scale: float
    expression_scale: float
    fan: str
    poses: int
    refinements: int
    min_cutoff_hz: float
    beta: float
    fps: float | None
    slow_motion: float
    loop: bool
    surroundings: str
    crf: int

    @property
    def transfer(self) -> Transfer:
        """Transfer that these options ask for."""
        return Transfer(
            self.motion, self.motion_scale, self.pose_scale, self.expression_scale, self.rest_lips
        )


def asked(source: pyarrow.Table, driver: pyarrow.Table, options: Options) -> NDArray[np.float32]:
    """Landmarks [T, P, 2] that a clip asks of a source, from their tables."""
    points = tables.points_array(source)
    own = lift(points, scheme_of(points.shape[1]), tables.angles_array(source))
    moving, start, transfer = driving_heads(driver, options)
    return project(motion.moved(own, start, moving, transfer)).astype(np.float32)


def driving_heads(driver: pyarrow.Table, options: Options) -> tuple[Heads, Heads, Transfer]:
    """Heads [T] of a clip and those at rest that relative motion starts from, [1] or [T], from its table.

    The transfer is that of the `options`; where no clip moves the lips, those of a source stay apart as they
    are.
    """
    neutral, transfer = None, options.transfer
    if "mute" in driver.column_names:
        transfer = replace(transfer, rest_lips="source")
    combined = "rest_points" in driver.column_names
    if options.neutral_s is not None:
        if combined:
            raise ValueError(
                f"animations.neutral_s is {options.neutral_s:g} s, but this driver is a combination, "
                "each clip of which has a neutral frame of its own; set it to null"
            )
        neutral = motion.neutral_index(driver.column("time_s").to_numpy(), options.neutral_s)
    moving = rests.heads_of(driver)
    if combined:
        points = tables.points_array(driver, "rest_points")[:1]
        return moving, lift(points, scheme_of(points.shape[1]), np.zeros((1, 3))), transfer
    return moving, rests.at_rest(moving, rests.people(driver), neutral=neutral), transfer


def follow(
    animator: Animator,
    code: NDArray,
    source: pyarrow.Table,
    driver: pyarrow.Table,
    options: Options,
    *,
    rate_hz: float,
    log: logging.Logger,
) -> LatentPath:
    """Lead the source `code` [1, K, 512] behind a driving clip, from their landmark tables.

    FAN is asked for the `calmed` landmarks, and gradient steps follow where the options ask for some: see
    `refinements.refine_in_place`. The `target` of the path is what was asked for before calming.
    """
    target, shot = asked(source, driver, options), shots(driver)
    calm = calmed(target, rate_hz, options, shot=shot)
    rest = tables.points_array(source)
    return replace(led(animator, code, rest, calm, options, shot=shot, log=log), target=target)


def led(
    animator: Animator,
    code: NDArray,
    source: NDArray,
    target: NDArray,
    options: Options,
    *,
    shot: NDArray,
    log: logging.Logger,
) -> LatentPath:
    """Lead the source `code` [1, K, 512] with landmarks `source` [1, P, 2] to the `target` [T, P, 2].

    It takes the steps that the options ask for; `shot` [T] is the number of the shot.
    """
    wplus = torch.from_numpy(code).expand(len(target), -1, -1)
    start = np.repeat(source, len(target), axis=0).astype(np.float32)
    path = closed_loop.lead_clip(animator, wplus, start, target)
    return _refined(animator, path, source, options, shot, log) if options.refinements else path


def _refined(
    animator: Animator,
    path: LatentPath,
    source: NDArray,
    options: Options,
    shot: NDArray,
    log: logging.Logger,
) -> LatentPath:
    """Refine a path by gradient steps."""
    delta, goal = path.delta.clone(), torch.from_numpy(path.target)
    chosen = poses.of_clip(animator.followed, goal, options.poses)
    loss = animator.followed.around(path.wplus[:1], delta[chosen.rows])
    face = loss.faces(path.wplus[:1], source)
    steps = refinements.count(chosen, shot, options.refinements)
    refinements.refine_in_place(
        loss,
        animator.ball,
        lambda frames: face[torch.zeros_like(frames)],
        path.wplus[:1],
        delta,
        goal,
        poses=chosen,
        steps=options.refinements,
        shot=shot,
        progress=Progress(log, "animations", steps, unit="steps"),
    )
    return replace(path, delta=delta)


def calmed(goal: NDArray, rate_hz: float, options: Options, *, shot: NDArray) -> NDArray[np.float32]:
    """Take the detector's tremor out of landmarks [T, P, 2], each `shot` [T] by itself; quick moves stay.

    The One-Euro filter runs over each coordinate, in inter-ocular distances. On Δw, whose numbers change
    little and all at once, the same filter would take a blink for tremor.
    """
    left, right = scheme_of(goal.shape[1]).outer_eyes
    ocular = np.linalg.norm(goal[:, left] - goal[:, right], axis=-1).mean()
    parts = [
        one_euro(goal[run] / ocular, rate_hz, min_cutoff_hz=options.min_cutoff_hz, beta=options.beta)
        for run in runs(shot)
    ]
    return (ocular * np.concatenate(parts)).astype(np.float32)


def shots(driver: pyarrow.Table) -> NDArray[np.int64]:
    """Number of the shot of each frame [T]; the clip is one shot where its table does not tell."""
    if "shot" not in driver.column_names:
        return np.zeros(len(driver), np.int64)
    return driver.column("shot").to_numpy()


def retimed(
    path: LatentPath, driver: pyarrow.Table, options: Options, rate: Fraction
) -> tuple[LatentPath, Times]:
    """Give the path the moments of the video that `options` ask for, and return them; `rate` is the driver's.

    In between lie points of the latent path, rendered like all others. Nothing but Δw itself grows with the
    video.
    """
    known_s = driver.column("time_s").to_numpy()
    if options.fps is None and options.slow_motion == 1 and not options.loop:
        return path, Times(known_s, rate)
    times = retiming.times(
        len(known_s), rate, fps=options.fps, slow_motion=options.slow_motion, loop=options.loop
    )
    delta, target = (
        retiming.in_between(values, known_s, times, shot=shots(driver))
        for values in (path.delta.numpy(), path.target)
    )
    wplus = path.wplus[:1].expand(len(delta), -1, -1)
    return replace(path, wplus=wplus, delta=torch.from_numpy(delta), target=target), times


def yaw_from(source: pyarrow.Table, path: LatentPath) -> NDArray[np.float32]:
    """Yaw [T] in degrees that each frame's head was asked to turn away from the source."""
    points = np.concatenate((tables.points_array(source), path.target))
    heads = lift_clip(points, scheme_of(points.shape[1]))
    yaw = geometry.angles_of(heads.rotation)[:, 0]
    return yaw[1:] - yaw[0]


def as_arrays(path: LatentPath, times: Times) -> dict[str, NDArray]:
    """Arrays to store: `wplus` [1, K, 512], `delta` [T, L, 512] and the `target` [T, P, 2] it was asked for.

    `time_s` [T] says when each frame lies on the clock of the driver.
    """
    stored = {"wplus": path.wplus[:1].numpy(), "delta": path.delta.numpy(), "target": path.target}
    return stored | {"time_s": times.time_s}
