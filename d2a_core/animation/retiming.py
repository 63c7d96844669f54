"""Resample a latent path: other frame rates, seamless loops, steps of equal visible size."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from d2a_core.animation.filters import runs
from d2a_core.media.timestamps import TIE_S

LOOP_S = 0.6  # s that the way back of a loop takes
BLOCK = 512  # channels interpolated at a time: the coefficients of a path are four times as large as itself
LEAST_STEP = 1e-3  # of the mean step: where nothing moves, a path still goes on
LOOKS = 33, 100  # frames of a way that are looked at, at least and at most
SAME_MOMENT = 1e-6  # of the time between two frames


@dataclass(frozen=True)
class Times:
    """Moments of a video's frames on the clock of its driver.

    `time_s` [T'] rises in even steps, `rate` is that of the video in Hz. `period_s` is when a loop is back at
    its first frame, None for no loop; between the driver's last frame and that moment lies the way back.
    """

    time_s: NDArray[np.float64]
    rate: Fraction
    period_s: float | None = None


def times(frames: int, rate: Fraction, *, fps: float | None, slow_motion: float, loop: bool) -> Times:
    """Set the clock of a video of `fps` (None: `rate`) behind a driver of `frames` at `rate` Hz.

    It lasts `slow_motion` times as long as its driver. With `loop` the way back is added, which takes
    `LOOP_S` of the video and up to one frame more, so that a whole number of frames closes the loop.
    """
    shown = rate if fps is None else Fraction(fps).limit_denominator(1001)
    step = 1 / (shown * Fraction(slow_motion).limit_denominator(1000))  # s of the driver
    if not loop:
        count = max(1, round(frames / rate / step))
        return Times(np.arange(count, dtype=np.float64) * float(step), shown)
    lasts = Fraction(frames - 1) / rate + Fraction(LOOP_S).limit_denominator(1000) * step * shown
    count = max(2, -int(-lasts // step))
    return Times(np.arange(count, dtype=np.float64) * float(step), shown, float(count * step))


def in_between(
    values: NDArray, known_s: NDArray, times: Times, *, shot: NDArray | None = None
) -> NDArray[np.float32]:
    """Interpolate smoothly through `values` [T, ...] at `known_s` [T]: [T', ...] at the moments of `times`.

    A cubic Hermite spline, every channel on its own, with the slopes of Fritsch and Butland ("A method for
    constructing local monotone piecewise cubic interpolants", SIAM J. Sci. Stat. Comput. 1984): it meets its
    knots and stays between two neighbours, so it never swings beyond what was asked for. Nothing is
    interpolated across a change of `shot` [T]; a moment there belongs to the nearer side. With a period the
    way leads on from the last value to the first, and arrives there as fast as it left.
    """
    values = np.asarray(values)
    flat = values.reshape(len(values), -1)
    result = np.empty((len(times.time_s), flat.shape[1]), np.float32)
    for asked, rows, knots in _pieces(np.asarray(known_s, np.float64), times, shot):
        moments = np.clip(times.time_s[asked], knots[0], knots[-1])
        for start in range(0, flat.shape[1], BLOCK):
            columns = slice(start, start + BLOCK)
            result[asked, columns] = _through(knots, flat[rows, columns], moments)
    return result.reshape(-1, *values.shape[1:])


def _through(knots: NDArray, values: NDArray, moments: NDArray) -> NDArray[np.float64]:
    if len(knots) == 1:
        return np.repeat(values, len(moments), axis=0)
    return PchipInterpolator(knots, values, axis=0)(moments)


def _pieces(
    known_s: NDArray, times: Times, shot: NDArray | None
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]]:
    """Split by shots: the moments [T'] in each, the rows of its values, and the times of these.

    In a loop the first shot comes after the last one: each has the other's values beyond its end.
    """
    parts = list(runs(np.zeros(len(known_s)) if shot is None else shot))
    edges = [(known_s[part.start - 1] + known_s[part.start]) / 2 - TIE_S for part in parts[1:]]
    piece = np.searchsorted(edges, times.time_s, side="right")
    for number, part in enumerate(parts):
        rows = np.arange(part.start, part.stop)
        knots = known_s[rows]
        if times.period_s is not None and number == len(parts) - 1:
            after = np.arange(min(2, parts[0].stop))
            rows = np.append(rows, after)
            knots = np.append(knots, known_s[after] + times.period_s)
        if times.period_s is not None and number == 0:
            rows = np.append(len(known_s) - 1, rows)
            knots = np.append(known_s[-1] - times.period_s, knots)
        yield piece == number, rows, knots


def at(values: NDArray, known_s: NDArray, wanted_s: NDArray) -> NDArray[np.float64]:
    """Interpolate straight between `values` [T', ...] at rising `known_s` [T']: [T, ...] at `wanted_s` [T].

    Beyond the ends it stands still. A row of NaN spoils only what lies next to it.
    """
    values = np.asarray(values, np.float64)
    if len(values) == 1:
        return np.repeat(values, len(wanted_s), axis=0)
    after = np.clip(np.searchsorted(known_s, wanted_s, side="right"), 1, len(known_s) - 1)
    low, high = known_s[after - 1], known_s[after]
    share = np.clip((wanted_s - low) / (high - low), 0, 1)
    share = np.where(share < SAME_MOMENT, 0, np.where(share > 1 - SAME_MOMENT, 1, share))
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    before, behind = values[after - 1], values[after]
    between = before + share * (behind - before)
    return np.where(share == 0, before, np.where(share == 1, behind, between))


def steps(points: NDArray) -> NDArray[np.float64]:
    """Mean length of the landmarks' [T, P, 2] way from each frame to the next, [T - 1], in their unit."""
    return np.linalg.norm(np.diff(points, axis=0), axis=-1).mean(axis=-1)


def even(positions: NDArray, lengths: NDArray, count: int) -> NDArray[np.float64]:
    """Cut a way into parts of equal length, both ends kept: positions [count].

    `positions` [K] rise from one end to the other, `lengths` [K - 1] were measured between them. In between
    the length is taken to grow smoothly (see `in_between`).
    """
    least = LEAST_STEP * lengths.mean() if lengths.any() else 1.0
    passed = np.append(0, np.cumsum(np.maximum(lengths, least)))
    return PchipInterpolator(passed, positions)(np.linspace(0, passed[-1], count))


def looks(count: int) -> int:
    """Number of frames to look at to space `count` of them; drafts would do worse, they wobble."""
    return min(max(count, LOOKS[0]), LOOKS[1])


def variation(lengths: NDArray) -> float:
    """Coefficient of variation of step lengths: deviation over mean, 0 for even steps and for none at all."""
    mean = float(np.mean(lengths))
    return float(np.std(lengths)) / mean if mean else 0.0


def there_and_back(count: int) -> NDArray[np.int64]:
    """Indices of `count` frames as a loop: to the last and back to the second, 2 · count - 2 in all."""
    return np.append(np.arange(count), np.arange(count - 2, 0, -1))
