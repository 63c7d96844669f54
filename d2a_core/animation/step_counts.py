"""How many gradient steps faces and frames take; rules and plans count them too, without PyTorch."""

import numpy as np
from numpy.typing import NDArray

from d2a_core.animation.filters import runs

ALONE = 3  # times as many steps as a pose of a clip, for a face that has no clip around it
FRAME_SHARE = 1 / 6  # of the steps of a pose, that a frame takes
EVERY = 2  # frames from one that takes steps to the next: a blink is longer


def key_frames(shot: NDArray) -> NDArray[np.bool_]:
    """Whether each frame [T] takes steps: first and last of its `shot` [T], every `EVERY`th between."""
    keys = np.zeros(len(shot), bool)
    for run in runs(shot):
        keys[run][::EVERY] = True
        keys[run.stop - 1] = True
    return keys


def of_frame(steps: int) -> int:
    """Steps of a frame, where its poses take so many `steps`."""
    return min(steps, max(1, round(FRAME_SHARE * steps)))
