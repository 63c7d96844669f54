"""Filter values along time, and fill what a detector missed."""

import itertools

import numpy as np
from numpy.typing import NDArray


def one_euro(
    values: NDArray,
    rate_hz: float,
    *,
    min_cutoff_hz: float,
    beta: float,
    derivative_cutoff_hz: float = 1.0,
) -> NDArray[np.float64]:
    """Apply the One-Euro filter over the first axis of [T, ...], without lag; return [T, ...].

    Casiez, Roussel and Vogel, "1 € Filter", CHI 2012 (doi 10.1145/2207676.2208639), with X the
    values, Tₑ = 1 / rate and each element on its own:

        X̂ᵢ = αXᵢ + (1 - α)X̂ᵢ₋₁,  α = 1 / (1 + τ/Tₑ),  τ = 1 / (2πf),  f = f_min + β|speed|

    where speed is (Xᵢ - X̂ᵢ₋₁) / Tₑ smoothed likewise at `derivative_cutoff_hz`: still parts lose
    their tremor, quick ones keep up. `beta` is in Hz per (unit of `values` per second).

    The authors filter live and lag behind. Here the whole clip is known: the filter runs forwards
    and backwards, one late and the other early by the same time, so their mean is on time; only
    within about τ of an end, where one has just begun, it leans towards the inside of the clip.

    Raises ValueError for values that are not finite and for numbers out of range.
    """
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("values to smooth must be finite; fill the gaps first")
    for name, number in {
        "rate_hz": rate_hz,
        "min_cutoff_hz": min_cutoff_hz,
        "derivative_cutoff_hz": derivative_cutoff_hz,
    }.items():
        if not number > 0:
            raise ValueError(f"{name}={number} must be above 0")
    if not beta >= 0:
        raise ValueError(f"beta={beta} must be 0 or more")
    numbers = (rate_hz, min_cutoff_hz, beta, derivative_cutoff_hz)
    return (_forwards(values, *numbers) + _forwards(values[::-1], *numbers)[::-1]) / 2


def _forwards(
    values: NDArray, rate_hz: float, min_cutoff_hz: float, beta: float, derivative_cutoff_hz: float
) -> NDArray[np.float64]:
    smooth = values.copy()
    speed = np.zeros(values.shape[1:])
    speed_weight = _weight(derivative_cutoff_hz, rate_hz)
    for now in range(1, len(values)):
        innovation = values[now] - smooth[now - 1]
        speed += speed_weight * (innovation * rate_hz - speed)
        weight = _weight(min_cutoff_hz + beta * np.abs(speed), rate_hz)
        smooth[now] = smooth[now - 1] + weight * innovation
    return smooth


def _weight(cutoff_hz: float | NDArray, rate_hz: float) -> float | NDArray:
    """Weight α of a new value."""
    return 1 / (1 + rate_hz / (2 * np.pi * cutoff_hz))


def fill_gaps(
    values: NDArray, found: NDArray[np.bool_], *, held: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Replace the rows of [T, ...] where `found` [T] is false, whatever they hold, NaN included.

    Between two found rows the way is straight, or in rows of `held` [T] stays at the one before; before
    the first and after the last it stands still. Raises ValueError when no row was found.
    """
    values, found = np.asarray(values, dtype=np.float64), np.asarray(found, dtype=bool)
    assert found.shape == values.shape[:1], (found.shape, values.shape)
    seen = np.flatnonzero(found)
    if not len(seen):
        raise ValueError(f"no face was found in any of {len(found)} frames; choose a clip that shows one")
    row = np.arange(len(found))
    after = np.minimum(np.searchsorted(seen, row), len(seen) - 1)
    before = np.maximum(np.searchsorted(seen, row, side="right") - 1, 0)
    first, last = seen[before], seen[after]
    share = (row - first) / np.maximum(last - first, 1)
    if held is not None:
        share = np.where(held, 0.0, share)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    # where there is one neighbour only, first = last, and the share does not matter
    return values[first] + share * (values[last] - values[first])


def runs(labels: NDArray) -> list[slice]:
    """Slices in which one label of [T] follows itself, in order."""
    starts = [0, *(np.flatnonzero(np.diff(labels)) + 1), len(labels)]
    return [slice(int(start), int(end)) for start, end in itertools.pairwise(starts)]


def gaps(
    found: NDArray[np.bool_], shot: NDArray, *, longest: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows [T] to interpolate and rows [T] to hold, of those where `found` [T] is false.

    A gap is interpolated when it has at most `longest` rows and both its ends, found, are of one `shot` [T].
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([True], found, [True]))))
    interpolated = np.zeros(len(found), bool)
    for start, end in edges.reshape(-1, 2):
        inside = start > 0 and end < len(found) and shot[start - 1] == shot[end]
        interpolated[start:end] = inside and end - start <= longest
    return interpolated, ~found & ~interpolated


def jitter(values: NDArray) -> float:
    """Mean length of the second difference along time of vectors [T, ..., D].

    In units of `values` per frame²: 0 for steady motion, and for fewer than three frames.
    """
    if len(values) < 3:
        return 0.0
    return float(np.linalg.norm(np.diff(values, n=2, axis=0), axis=-1).mean())
