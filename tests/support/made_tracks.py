"""Made-up landmark tables of clips."""

import numpy as np
import pyarrow

from d2a_core.animation import driving
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98

SHAPE = template_of(WFLW98)[:, :2]
FACE = (0.25 * SHAPE + [0.5, 0.4]).astype(np.float32)


def blinking(shape):
    """The same face with its lids closed."""
    shape = shape.copy()
    for up, low in WFLW98.lids:
        shape[[up, low], 1] = shape[[up, low], 1].mean()
    return shape


def tracked(said, shot=None, *, angles=None, canonical=None, score=None, quad=None):
    """Table of a clip: of each frame a letter, `f`ound, `i`nterpolated or `h`eld, and its shot."""
    count = len(said)
    marks = {
        name: np.array([letter == name[0] for letter in said]) for name in ("found", "interpolated", "held")
    }
    track = driving.Track(
        points=np.repeat(FACE[None], count, axis=0),
        score=np.ones(count, np.float32) if score is None else np.array(score, np.float32),
        angles=np.zeros((count, 3), np.float32) if angles is None else np.array(angles, np.float32),
        canonical=np.repeat(SHAPE[None], count, axis=0).astype(np.float32)
        if canonical is None
        else canonical,
        time_s=np.arange(count) / 25,
        shot=np.zeros(count, np.int32) if shot is None else np.array(list(map(int, shot)), np.int32),
        quad=quad,
        **marks,
    )
    return pyarrow.table(driving.table(track))
