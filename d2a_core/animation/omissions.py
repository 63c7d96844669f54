"""What of a clip was left as it was, in words."""

import logging

import numpy as np
from numpy.typing import NDArray

from d2a_core.animation.filters import runs
from d2a_core.animation.footage_goals import Take

NO_FACE, NOT_SHOWN = "no face", "covered, or not shown by its code"


def told(take: Take) -> list[str]:
    """Sentences on the frames of a take that stay as they were, and on what lies before its faces."""
    reason = np.full(len(take.time_s), "", object)
    reason[take.people.stretch < 0] = NO_FACE
    changed = np.zeros(len(reason), bool)
    changed[take.rows] = take.share > 0
    reason[~changed & (reason == "")] = NOT_SHOWN
    known = [(why, reason == why) for why in (NO_FACE, NOT_SHOWN)]
    parts = [f"{spans(there, take.time_s)} ({why})" for why, there in known if there.any()]
    lines = [f"left as they were: {', '.join(parts)}"] if parts else []
    before = np.zeros(len(reason), bool)
    before[take.rows] = False if take.hidden is None else take.hidden.any(axis=(1, 2)) & (take.share > 0)
    if before.any():
        lines.append(f"something lies before the face and stays as it was: {spans(before, take.time_s)}")
    return lines


def warn(take: Take, log: logging.Logger) -> None:
    """Log these sentences, which a command shows to its user."""
    for line in told(take):
        log.warning(line)


def spans(chosen: NDArray[np.bool_], time_s: NDArray) -> str:
    """Name the frames [T] that are `chosen` and their times: "frames 3 to 5 (0.12 to 0.20 s), 9 (0.36 s)"."""
    found = [(run.start, run.stop - 1) for run in runs(chosen) if chosen[run.start]]
    named = [
        f"{start} at {time_s[start]:.2f} s"
        if start == end
        else f"{start} to {end} at {time_s[start]:.2f} to {time_s[end]:.2f} s"
        for start, end in found
    ]
    return ("frame " if len(found) == 1 and found[0][0] == found[0][1] else "frames ") + ", ".join(named)
