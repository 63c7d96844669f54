"""One rule for the time stamps of a clip, be they missing, repeated, or of a clock that jumps.

It reads the packets of a clip once, then gives every decoded picture, and the sound, its time in the clip.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from d2a_core.media.timestamps import NEAR_RATE, STANDARD_HZ, UNKNOWN_HZ, nominal_rate

MAX_GAP_S = 60.0  # no clip of a face stands still for longer; a broken clock does
BACK_S = 0.05  # a clock that goes back by more has started anew; rounding and jitter stay below
NEAR_S = 1.0  # sound may start so much earlier than the pictures
REORDERED = 16  # pictures that a codec may hold back at most
SOME = 0.25  # share of packets that repeat the stamp before, from which on it is none
FEW_JOINTS, MANY_JOINTS = 3, 0.1  # in a clip, and as a share of its packets; decoding knows no more
NEAR_DECLARED = 0.1  # relative error of a rate that packets without stamps are counted for


class Stamp(NamedTuple):
    """What a packet says of its picture: when it is shown, when it is decoded, how long it lasts, in s."""

    shown_s: float | None
    decoded_s: float | None
    lasts_s: float


@dataclass(frozen=True)
class Span:
    """A stretch of a clip whose own clock runs from `start_s` to `end_s`; the clip is `offset_s` later."""

    start_s: float
    end_s: float
    offset_s: float


@dataclass(frozen=True)
class Timeline:
    """When the pictures of a clip are shown: `rate` in Hz, number of `frames`, the `spans` of its clock.

    The rate `is_guessed` where the file gives none that is likely.
    """

    rate: Fraction
    frames: int
    spans: tuple[Span, ...]
    is_guessed: bool = False

    def clock(self, *, of_sound: bool = False) -> "Clock":
        """A clock for one pass through the clip."""
        return Clock(self.spans, float(1 / self.rate), of_sound=of_sound)


class Clock:
    """Time of pictures or sounds in the clip, in s from its first picture on, in the order of being shown.

    One without a stamp, or with that of the one before, comes `period_s` later than it. Where stamps go back
    or leap ahead, the next of the `spans` begins, right behind what was. A picture whose stamp is in none is
    damaged and counts as one without; the sound may have a clock of its own and is put behind what was.
    """

    def __init__(self, spans: Sequence[Span], period_s: float, *, of_sound: bool = False) -> None:
        self.spans, self.period_s, self.of_sound = spans, period_s, of_sound
        self.number, self.offset_s = 0, 0.0
        self._raw_s: float | None = None
        self._last_s: float | None = None

    def at(self, raw_s: float | None) -> float:
        """Time in the clip of what its own clock shows at `raw_s`; times never go back."""
        if raw_s is not None and raw_s != self._raw_s and (not self._jumps(raw_s) or self._turned_to(raw_s)):
            self._raw_s, now = raw_s, raw_s + self.offset_s
        elif self._last_s is None:
            now = 0.0
        else:
            is_late = raw_s is not None and self._raw_s is not None and raw_s < self._raw_s
            now = self._last_s + self.period_s * (not is_late)
        self._last_s = now if self._last_s is None else max(now, self._last_s)
        return self._last_s

    def _jumps(self, raw_s: float) -> bool:
        return self._raw_s is None or not -BACK_S <= raw_s - self._raw_s <= MAX_GAP_S

    def _turned_to(self, raw_s: float) -> bool:
        """Choose the span in which the clock goes on, one that does not lead back; False without one."""
        for number in range(self.number, len(self.spans)):
            span = self.spans[number]
            inside = span.start_s - NEAR_S <= raw_s <= span.end_s + NEAR_S
            if inside and (self._last_s is None or raw_s + span.offset_s >= self._last_s - BACK_S):
                self.number, self.offset_s = number, span.offset_s
                return True
        if self.of_sound:
            self.offset_s = (0.0 if self._last_s is None else self._last_s) - raw_s
        return self.of_sound


def timeline(stamps: Sequence[Stamp], first_s: float | None, declared: Sequence[Fraction]) -> Timeline:
    """Measure the time of a clip on the `stamps` of its packets, in their order.

    `first_s` is the stamp of the first picture that can be decoded, `declared` are rates that the file gives.
    """
    likely = [rate for rate in declared if rate * MAX_GAP_S >= 1]
    is_guessed = bool(declared) and not likely
    if is_guessed:  # a damaged header, whose clock tells nothing
        stamps, first_s = [Stamp(None, None, 0.0)] * len(stamps), None
    parts = _from_first([_Part(part) for part in _split(stamps)], first_s)
    rate = _rate(parts, likely)
    period_s, at_s, spans = float(1 / rate), 0.0, []
    for part in parts:
        start_s = part.known[0] if part.known else 0.0
        length_s = part.length_s(period_s)
        spans.append(Span(start_s, start_s + length_s, at_s - start_s))
        at_s += length_s
    return Timeline(rate, max(1, round(at_s * rate)), tuple(spans), is_guessed)


def _split(stamps: Sequence[Stamp]) -> list[list[Stamp]]:
    """Part the packets of a clip, in order of decoding, where its clock jumps."""
    decoded = [stamp.decoded_s for stamp in stamps if stamp.decoded_s is not None]
    returns = sum(later < earlier for earlier, later in pairwise(decoded))
    # behind a joint in Matroska they are made up, and leap back and forth with the pictures
    ordered = bool(decoded) and returns <= max(FEW_JOINTS, MANY_JOINTS * len(stamps))
    recent: deque[float] = deque(maxlen=1 if ordered else REORDERED)
    parts: list[list[Stamp]] = [[]]
    for stamp in stamps:
        now = stamp.decoded_s if ordered else stamp.shown_s
        if now is not None:
            if recent and not min(recent) - BACK_S <= now <= max(recent) + MAX_GAP_S:
                parts.append([])
                recent.clear()
            recent.append(now)
        parts[-1].append(stamp)
    return parts


class _Part:
    """Packets of one span: the times `known`, rising, and how many have none of their own."""

    def __init__(self, stamps: Sequence[Stamp]) -> None:
        ordered = sorted((stamp.shown_s, stamp.lasts_s) for stamp in stamps if stamp.shown_s is not None)
        times = np.array([time_s for time_s, _ in ordered])
        stray = np.flatnonzero(np.diff(times) > MAX_GAP_S) + 1  # a damaged stamp, or a few
        runs = np.split(np.arange(len(times)), stray)
        kept = max(runs, key=len)
        self.known: list[float] = np.unique(times[kept]).tolist()
        repeated = len(kept) - len(self.known)
        few = repeated < SOME * len(stamps)  # pictures that are never shown, in old WebM
        self.unknown = len(stamps) - len(self.known) - (repeated if few else 0)
        self.lasts_s = min(ordered[kept[-1]][1], MAX_GAP_S) if len(kept) else 0.0

    def without(self, first_s: float) -> "_Part":
        """What is shown from `first_s` on."""
        dropped = sum(time_s < first_s for time_s in self.known)
        self.known = self.known[dropped:] or [first_s]
        return self

    def length_s(self, period_s: float) -> float:
        """Seconds that it is shown for; every packet without a stamp is a picture."""
        shown_s = self.known[-1] - self.known[0] + (self.lasts_s or period_s) if self.known else 0.0
        return max(shown_s, (len(self.known) + self.unknown) * period_s) if self.unknown else shown_s


def _from_first(parts: list[_Part], first_s: float | None) -> list[_Part]:
    """Leave out what comes before the first picture that can be decoded."""
    if first_s is None:
        return parts
    for number, part in enumerate(parts):
        if part.known and part.known[0] - BACK_S <= first_s <= part.known[-1] + BACK_S:
            return [part.without(first_s), *parts[number + 1 :]]
    return parts


def _rate(parts: Sequence[_Part], declared: Sequence[Fraction]) -> Fraction:
    if any(part.unknown for part in parts):
        return _counted_rate(parts, declared)
    steps = np.concatenate([np.diff(part.known) for part in parts])
    usual = float(np.median(steps)) if len(steps) else 0.0
    times: list[float] = []
    for part in filter(lambda part: part.known, parts):  # one behind the other
        behind = times[-1] + usual - part.known[0] if times else -part.known[0]
        times += [time_s + behind for time_s in part.known]
    return nominal_rate(np.array(times), declared)


def _counted_rate(parts: Sequence[_Part], declared: Sequence[Fraction]) -> Fraction:
    """Rate of packets of which some have no time: how many there are in how long."""
    timed = [part for part in parts if len(part.known) > 1]
    if not timed:
        return next(iter(declared), UNKNOWN_HZ)
    pictures = sum((len(part.known) + part.unknown) * (1 - 1 / len(part.known)) for part in timed)
    measured = pictures / sum(part.known[-1] - part.known[0] for part in timed)
    for known, slack in ((declared, NEAR_DECLARED), (STANDARD_HZ, NEAR_RATE)):
        close = [rate for rate in known if abs(float(rate) / measured - 1) < slack]
        if close:
            return min(close, key=lambda rate: abs(float(rate) / measured - 1))
    return Fraction(measured).limit_denominator(1001)
