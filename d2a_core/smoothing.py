"""Filters along time."""

import numpy as np
from numpy.typing import NDArray


def one_euro(values: NDArray, rate_hz: float, *, min_cutoff_hz: float, beta: float,
             derivative_cutoff_hz: float = 1.0) -> NDArray[np.float64]:
    """One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) over the first axis of [T, ...].

    A low-pass whose cut-off grows with speed, f = f_min + β·|speed| (their equations 5 and 6): still parts
    lose their tremor, quick ones keep up. It runs forwards and backwards and the two are averaged, so that
    the lag of one cancels that of the other.
    """
    values = np.asarray(values, dtype=np.float64)
    options = (rate_hz, min_cutoff_hz, beta, derivative_cutoff_hz)
    return (_one_way(values, *options) + _one_way(values[::-1], *options)[::-1]) / 2


def _one_way(values: NDArray, rate_hz: float, min_cutoff_hz: float, beta: float, derivative_cutoff_hz: float
             ) -> NDArray[np.float64]:
    smooth = values.copy()
    speed = np.zeros_like(values[0])
    gain = _gain(np.asarray(derivative_cutoff_hz), rate_hz)
    for index in range(1, len(values)):
        speed += gain * ((values[index] - smooth[index - 1]) * rate_hz - speed)
        share = _gain(min_cutoff_hz + beta * np.abs(speed), rate_hz)
        smooth[index] = share * values[index] + (1 - share) * smooth[index - 1]
    return smooth


def _gain(cutoff_hz: NDArray, rate_hz: float) -> NDArray[np.float64]:
    """Weight of a new value in exponential smoothing (their equation 3)."""
    return 1 / (1 + rate_hz / (2 * np.pi * cutoff_hz))


def fill_gaps(values: NDArray, found: NDArray) -> NDArray[np.float64]:
    """Rows of [T, ...] where `found` [T] is false, interpolated linearly; held at both ends.

    Raises ValueError when no row was found.
    """
    seen = np.flatnonzero(found)
    if not len(seen):
        raise ValueError(f"no face was found in any of {len(found)} frames; choose a clip in which a face is seen")
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    filled = np.stack([np.interp(np.arange(len(flat)), seen, column[seen]) for column in flat.T], axis=1)
    return filled.reshape(np.shape(values))


def jitter(values: NDArray) -> float:
    """Mean length of the second difference along time of points [T, P, 2], in their unit per frame²."""
    return float(np.linalg.norm(np.diff(values, n=2, axis=0), axis=-1).mean())
