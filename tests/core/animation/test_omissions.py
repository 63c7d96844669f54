"""What of a clip was left as it was is said with its frames and times."""

import numpy as np
import pytest
from made_tracks import FACE

from d2a_core.animation import omissions
from d2a_core.animation.cast import Cast
from d2a_core.animation.footage_goals import Take


def take_of(person, stretch, share, hidden=None):
    person, stretch = np.array(person), np.array(stretch)
    people = Cast(person, stretch, np.zeros(1), np.zeros((1, 4, 6)), FACE[None])
    points = np.repeat(FACE[None], len(people.rows), axis=0)
    quads = np.zeros((len(points), 4, 2))
    parts = None if hidden is None else np.array(hidden, float)[:, None, None]
    return Take(people, np.arange(len(person)) / 25, quads, points, points, np.array(share), hidden=parts)


def test_a_clip_that_was_changed_throughout_needs_no_word():
    assert omissions.told(take_of([0, 0, 0], [0, 0, 0], [1, 0.2, 1])) == []


def test_frames_without_a_face_and_faces_that_are_not_shown_are_told_apart():
    take = take_of([0, -1, -1, 0, 0, -1], [0, -1, -1, 1, 1, 2], [1, 0, 1])
    assert omissions.told(take) == [
        "left as they were: frames 1 to 2 at 0.04 to 0.08 s (no face), "
        "frames 3 at 0.12 s, 5 at 0.20 s (covered, or not shown by its code)"
    ]


def test_what_lies_before_a_face_is_said():
    take = take_of([0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0], hidden=[0, 0.4, 0, 0.9])
    assert omissions.told(take) == [
        "left as they were: frame 3 at 0.12 s (covered, or not shown by its code)",
        "something lies before the face and stays as it was: frame 1 at 0.04 s",
    ]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([0, 1, 0, 0], "frame 1 at 0.04 s"),
        ([1, 1, 0, 1], "frames 0 to 1 at 0.00 to 0.04 s, 3 at 0.12 s"),
    ],
)
def test_frames_are_named_in_spans(chosen, said):
    assert omissions.spans(np.array(chosen, bool), np.arange(4) / 25) == said
