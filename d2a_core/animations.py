"""Stage `animations`: driving landmarks → path in W+ → frames (paper, "Inference", equations 6 and 7)."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import (
    controls,
    corrections,
    fan_groups,
    generator,
    geometry,
    interpolation,
    io,
    landmarks,
    lineage,
    manifold,
    motion,
    pictures,
    rendering,
    tuning,
)
from d2a_core.controls import Controls
from d2a_core.fan_groups import SplitFan
from d2a_core.generator import Generator
from d2a_core.geometry import normalized_mean_error
from d2a_core.heads import lift_clip
from d2a_core.interpolation import TIE_S, Clock
from d2a_core.landmarks import Detections, LandmarkDetector
from d2a_core.manifold import Manifold
from d2a_core.networks.fan import Fan
from d2a_core.pictures import grid, resize
from d2a_core.runtime import Progress
from d2a_core.schemes import scheme_of
from d2a_core.smoothing import one_euro, runs
from d2a_core.video import Frame

SHEET_TILE = 256  # px
FRAMES = 64  # of a clip that are driven at a time
PANELS = ("source", "driver", "result")


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
    passes: int
    corrections: int
    min_cutoff_hz: float
    beta: float
    fps: float | None
    slow_motion: float
    loop: bool
    loop_s: float
    crf: int


@dataclass(frozen=True)
class Comparison:
    """Config section `animations.comparison`: height of the video in px, moments on the sheet."""

    height: int
    sheet_columns: int


@dataclass(frozen=True)
class Path:
    """A way through W+: `wplus` [T, K, 512] the source of each frame, `delta` [T, L, 512] added to it.

    `target` [T, P, 2] are the landmarks it leads to. `error` [passes + 1, T] is the landmark error (NME,
    inter-ocular) on drafts after the open loop and after each closed-loop pass, before corrections and
    smoothing; it has no rows when there was no pass. Infinite: no face.
    """

    wplus: Tensor
    delta: Tensor
    error: NDArray[np.float32]
    target: NDArray[np.float32]


@dataclass(frozen=True)
class Stage:
    """The trained parts that turn landmarks into motion; `size` is the draft the passes look at.

    `moves` are the controls that correct it, None where that is not asked for.
    """

    generator: Generator
    detector: LandmarkDetector
    fan: Fan | SplitFan
    manifold: Manifold
    size: int
    moves: Controls | None = None


def load_stage(
    generator_options: Mapping,
    landmark_options: Mapping,
    inputs: object,
    *,
    device: str,
    threads: int,
    runtime: str,
) -> Stage:
    """The trained parts; `inputs` has the paths `generator`, `draft`, `models`, `directions` and `fan`.

    `fan` is one path, or a list of one or two (see `fan_groups.load`), `controls` a list of one or none.
    Where there is a `tuning`, the generator is the one tuned to that source. Raises ValueError when a part,
    or the `code` of a source, was made with another generator.
    """
    settings = generator.Options(**generator_options)
    detection = landmarks.Options(**landmark_options)
    engine = {"device": device, "threads": threads, "runtime": runtime}
    network = generator.load(settings, inputs.generator, draft=inputs.draft, **engine)
    codes = [inputs.code] if hasattr(inputs, "code") else []
    tunings = getattr(inputs, "tuning", [])
    moves = [controls.from_store(io.read_zarr(path)) for path in getattr(inputs, "controls", [])]
    fans = [inputs.fan] if isinstance(inputs.fan, (str, os.PathLike)) else inputs.fan
    lineage.check(network.identity, inputs.directions, *fans, *codes, *tunings)
    for path in tunings:
        tuning.apply_delta(network, io.read_checkpoint(path)["delta"])
    return Stage(
        network,
        landmarks.load_detector(detection, inputs.models, device=device, threads=threads),
        fan_groups.load(list(map(io.read_checkpoint, fans)), device=device),
        manifold.from_store(io.read_zarr(inputs.directions, manifold.STORED)),
        size=settings.draft_size,
        moves=moves[0] if moves else None,
    )


def step(stage: Stage, wplus: Tensor, delta: Tensor, current: NDArray, target: NDArray) -> Tensor:
    """Δw [T, L, 512] after FAN saw `current` and `target` points [T, P, 2]: equation 6, kept on the manifold.

    `wplus` [T, K, 512] are the sources and `delta` what was added to them before. The sum is re-normed
    layer by layer as the training pairs were, so no pass leaves the ball in which FAN was trained. Where
    a point is NaN, no face having been found, nothing is added.
    """
    with torch.no_grad():
        change = stage.fan(torch.tensor(current).float(), torch.from_numpy(target).float()).cpu()
    return stage.manifold.renorm(delta + change.nan_to_num(nan=0.0), wplus)


def detect(stage: Stage, wplus: Tensor, delta: Tensor, progress=None) -> Detections:
    """What the detector sees on drafts of w + Δw, `wplus` [T, K, 512] and `delta` [T, L, 512]."""
    return rendering.detect(stage.generator, stage.detector, wplus, delta, size=stage.size, progress=progress)


def look(
    stage: Stage, wplus: Tensor, delta: Tensor, target: NDArray, progress=None
) -> tuple[NDArray, NDArray]:
    """Detect drafts of w + Δw: points [T, P, 2], error [T] against the target (no face: infinite)."""
    points = detect(stage, wplus, delta, progress).points
    error = normalized_mean_error(points, target)
    return points, np.where(np.isnan(error), np.inf, error).astype(np.float32)


def drive(
    stage: Stage, wplus: Tensor, source: NDArray, target: NDArray, *, passes: int, progress=None
) -> Iterator[Path]:
    """Follow target points [T, P, 2] from source points [T, P, 2]: the open loop, then each closed-loop pass.

    `wplus` [T, K, 512]. A pass renders where FAN arrived, detects, and applies FAN to what remains; it is
    kept, frame by frame, only where it brought the landmarks closer to the target.
    """
    layers = stage.fan.architecture.layers
    delta = step(stage, wplus, torch.zeros(len(target), layers, wplus.shape[-1]), source, target)
    yield Path(wplus, delta, np.zeros((0, len(target)), np.float32), target)
    if not passes:
        return
    points, error = look(stage, wplus, delta, target, progress)
    errors = [error]
    for _ in range(passes):
        usable = np.where(np.isnan(points), source, points).astype(np.float32)
        trial = step(stage, wplus, delta, usable, target)
        trial_points, trial_error = look(stage, wplus, trial, target, progress)
        better = trial_error < errors[-1]
        delta = torch.where(torch.from_numpy(better)[:, None, None], trial, delta)
        points = np.where(better[:, None, None], trial_points, points)
        errors.append(np.where(better, trial_error, errors[-1]))
        yield Path(wplus, delta, np.stack(errors), target)


def corrected(stage: Stage, source: pyarrow.Table, path: Path, passes: int, progress=None) -> Path:
    """The path after as many `passes` that correct what the face does (see `corrections`).

    `source` is the landmark table of the face as it is.
    """
    if not passes:
        return path

    def look(delta: Tensor) -> Detections:
        return detect(stage, path.wplus, delta, progress)

    asked = corrections.wanted(landmarks.detections(source), path.target)
    delta = corrections.correct(stage.moves, look, path.wplus, path.delta, asked, passes=passes)
    return replace(path, delta=delta)


def asked(source: pyarrow.Table, driver: pyarrow.Table, options: Options) -> NDArray[np.float32]:
    """Landmarks [T, P, 2] that the source of one table is asked for behind the clip of the other."""
    rest = io.points_array(driver, "rest_points")[:1] if "rest_points" in driver.column_names else None
    if rest is not None and options.neutral_s is not None:
        raise ValueError(
            f"animations.neutral_s is {options.neutral_s:g} s, but this driver is made of two clips, "
            "each with a neutral frame of its own; set it to null"
        )
    neutral = None
    if options.neutral_s is not None:
        neutral = motion.neutral_index(driver.column("time_s").to_numpy(), options.neutral_s)
    return motion.goal(
        io.points_array(source),
        io.points_array(driver),
        motion=options.motion,
        neutral=neutral,
        scale=options.motion_scale,
        pose=options.pose_scale,
        expression=options.expression_scale,
        rest_lips=options.rest_lips,
        source_angles=io.angles_array(source),
        driver_angles=io.angles_array(driver),
        rest_points=rest,
    )


def follow(
    stage: Stage,
    code: NDArray,
    source: pyarrow.Table,
    driver: pyarrow.Table,
    options: Options,
    *,
    rate_hz: float,
    log: logging.Logger,
) -> Path:
    """Path of the source `code` [1, K, 512] behind a driving clip, from their landmark tables.

    The One-Euro filter runs along time over Δw, shot by shot: it takes out the detector's tremor and keeps
    quick moves.
    """
    target = asked(source, driver, options)
    looks = len(target) * sum(passes + 1 for passes in (options.passes, options.corrections) if passes)
    progress = Progress(log, "animations", looks, unit="drafts")
    path = _driven(stage, code, source, target, options, progress)
    smooth_in_place(path.delta.numpy(), rate_hz, options, shot=shots(driver))
    for number, error in enumerate(path.error):
        log.info(
            "animations pass=%d nme=%.4f lost=%d",
            number,
            error[np.isfinite(error)].mean(),
            np.isinf(error).sum(),
        )
    return path


def _driven(
    stage: Stage, code: NDArray, source: pyarrow.Table, target: NDArray, options: Options, progress: Progress
) -> Path:
    """The last path of `drive`, some frames at a time: nothing but Δw itself grows with the clip."""
    wplus, done = torch.from_numpy(code), []
    for part in np.array_split(target, max(1, len(target) // FRAMES)):
        start = np.broadcast_to(io.points_array(source), part.shape).astype(np.float32)
        codes = wplus.expand(len(part), -1, -1)
        *_, path = drive(stage, codes, start, part, passes=options.passes, progress=progress)
        done.append(corrected(stage, source, path, options.corrections, progress))
    return Path(
        wplus.expand(len(target), -1, -1),
        torch.cat([path.delta for path in done]),
        np.concatenate([path.error for path in done], axis=1),
        target,
    )


def smooth_in_place(delta: NDArray[np.float32], rate_hz: float, options: Options, *, shot: NDArray) -> None:
    """One-Euro filter along the frames of Δw [T, L, 512], each `shot` [T] by itself, a layer at a time."""
    for run in runs(shot):
        for layer in range(delta.shape[1]):
            delta[run, layer] = one_euro(
                delta[run, layer], rate_hz, min_cutoff_hz=options.min_cutoff_hz, beta=options.beta
            )


def shots(driver: pyarrow.Table) -> NDArray[np.int64]:
    """Number of the shot of each frame [T]; all are one where the table does not tell."""
    if "shot" not in driver.column_names:
        return np.zeros(len(driver), np.int64)
    return driver.column("shot").to_numpy()


def retimed(path: Path, driver: pyarrow.Table, options: Options, rate: Fraction) -> tuple[Path, Clock]:
    """The path at the moments of the video that `options` ask for, and its clock; `rate` is the driver's.

    In between lie points of the latent path, rendered like all others. `error` stays that of the driver's
    frames. Nothing but Δw itself grows with the video.
    """
    known_s = driver.column("time_s").to_numpy()
    if options.fps is None and options.slow_motion == 1 and not options.loop:
        return path, Clock(known_s, rate)
    loop_s = options.loop_s if options.loop else None
    asked = {"fps": options.fps, "slow_motion": options.slow_motion, "loop_s": loop_s}
    clock = interpolation.clock(len(known_s), rate, **asked)
    delta, target = (
        interpolation.in_between(values, known_s, clock, shot=shots(driver))
        for values in (path.delta.numpy(), path.target)
    )
    wplus = path.wplus[:1].expand(len(delta), -1, -1)
    return replace(path, wplus=wplus, delta=torch.from_numpy(delta), target=target), clock


def yaw_from(source: pyarrow.Table, path: Path) -> NDArray[np.float32]:
    """How far the head of each frame is asked to turn away from the source, in degrees of yaw: [T]."""
    points = np.concatenate((io.points_array(source), path.target))
    heads = lift_clip(points, scheme_of(points.shape[1]))
    yaw = geometry.angles_of(heads.rotation)[:, 0]
    return yaw[1:] - yaw[0]


def arrays(path: Path, clock: Clock) -> dict[str, NDArray]:
    """What is stored: `wplus` [1, K, 512], `delta` [T, L, 512] and the `target` [T, P, 2] it was asked for.

    `time_s` [T] says when each frame lies on the clock of the driver. After passes `error` [passes + 1, T]
    as well, at the driver's own frames.
    """
    stored = {"wplus": path.wplus[:1].numpy(), "delta": path.delta.numpy(), "target": path.target}
    stored["time_s"] = clock.time_s
    return stored | ({"error": path.error} if len(path.error) else {})


class Sheet:
    """Contact sheet filled while the frames stream by: the source, then driver over result at even times."""

    def __init__(self, source: NDArray, *, frames: int, columns: int) -> None:
        self.source = source
        self.wanted = sorted({round(x) for x in np.linspace(0, frames - 1, min(columns, frames))})
        self.columns: list[tuple[float, NDArray, NDArray]] = []

    def offer(self, index: int, time_s: float, driver: NDArray, result: NDArray) -> None:
        """Keep this moment when it is one of the wanted ones."""
        if index in self.wanted:
            self.columns.append((time_s, *(resize(image[None], SHEET_TILE)[0] for image in (driver, result))))

    def draw(self) -> NDArray[np.uint8]:
        """The sheet, u1 [H, W, 3]."""
        times, drivers, results = zip(*self.columns, strict=True)
        source = resize(self.source[None], SHEET_TILE)[0]
        rows = [[source, *drivers], [source, *results]]
        captions = ["source", *(f"{time:.2f} s" for time in times)]
        return grid(rows, captions_left=["driver", "result"], captions_top=captions, tile=SHEET_TILE)


def behind(driver: Iterable[Frame], time_s: NDArray) -> Iterator[Frame]:
    """The frame of the driver that is next to each moment `time_s` [T], which rise; its last one stays."""
    frames = iter(driver)
    now = after = next(frames)
    for moment in time_s:
        while after is not None and (now.time_s + after.time_s) / 2 <= moment + TIE_S:
            now, after = after, next(frames, None)
        yield now


def side_by_side(
    source: NDArray, driver: Iterable[Frame], result: Iterable[Frame], *, height: int, sheet: Sheet
) -> Iterator[NDArray[np.uint8]]:
    """Frames of source | driver | result, captioned, u1 [H, W, 3]; fills `sheet` on the way."""
    for left, right in zip(driver, result, strict=False):  # a container may announce one frame too many
        sheet.offer(right.index, right.time_s, left.image, right.image)
        panels = [source, left.image, right.image]
        yield pictures.side_by_side(panels, height=height, captions=PANELS)
