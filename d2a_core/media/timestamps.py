"""Turn uneven time stamps of a clip into a constant frame rate."""

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")

FILM, NTSC = Fraction(24000, 1001), Fraction(30000, 1001)
STANDARD_HZ = (FILM, *map(Fraction, (24, 25)), NTSC, *map(Fraction, (30, 48, 50)), 2 * NTSC, Fraction(60))
UNKNOWN_HZ = Fraction(25)  # of a single picture
SAME_RATE = 0.002  # relative; NTSC's rates differ from whole ones by half of it
NEAR_RATE = 0.005  # relative error of a rate measured on millisecond stamps of a short clip
REGULAR = 0.25  # intervals this near the median one belong to the nominal rate
MISSING = 0.5  # intervals this far from the median one tell of a missing frame
TIE_S = 1e-9  # half way between two frames, the later one is next
MOST_REPEATS = 2  # ticks a frame on average; a burst of frames must not multiply a clip


def nominal_rate(times: NDArray, declared: Sequence[Fraction]) -> Fraction:
    """Rate in Hz at which frames come when none is missing; `times` [T] in s, rising.

    The mean of the regular intervals, or of all where no frame is missing, since jitter averages out. It is
    taken as what the container `declared` or as a standard rate where it agrees with one.
    """
    intervals = np.diff(times)
    intervals = intervals[intervals > 0]
    if not len(intervals):
        return next(iter(declared), UNKNOWN_HZ)
    middle = np.quantile(intervals, 0.5, method="lower")
    none_missing = np.abs(intervals - middle).max() < MISSING * middle
    regular = intervals if none_missing else intervals[np.abs(intervals - middle) <= REGULAR * middle]
    measured = min(1 / regular.mean(), MOST_REPEATS / intervals.mean())
    for known, slack in ((declared, SAME_RATE), (STANDARD_HZ, NEAR_RATE)):
        close = [rate for rate in known if abs(float(rate) / measured - 1) < slack]
        if close:
            return min(close, key=lambda rate: abs(float(rate) / measured - 1))
    return Fraction(measured).limit_denominator(1001)


def paced(items: Iterable[tuple[float, float, Item]], rate: Fraction) -> Iterator[tuple[Item, int]]:
    """Yield each item and how many ticks of a clock of `rate` Hz it is the nearest to.

    An item is (time from 0 on, how long it lasts if it is the last one, itself), both in s. At a constant
    rate every item gets one tick; the sum is the clip's length, at least one.
    """
    told, last = 0, None
    for time_s, lasts_s, item in items:
        if last is not None:
            time_s = max(time_s, last[0])
            until = max(told, math.ceil((last[0] + time_s) / 2 * rate))
            yield last[2], until - told
            told = until
        last = (time_s, lasts_s, item)
    if last is not None:
        yield last[2], max(round((last[0] + last[1]) * rate), told, 1) - told
