"""What lies before a face is what a frame shows over an area and its code does not."""

import numpy as np
import pytest
from made_tracks import FACE

from d2a_core.animation import occlusion
from d2a_core.faces.schemes import WFLW98

SIDE = 256
SKIN, HAND, SKY = (205, 160, 135), (150, 110, 90), (90, 140, 230)


@pytest.fixture
def face():
    """A face as its code shows it: skin with soft light, darker at the eyes and the mouth."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    picture = np.array(SKIN) * (1 - 0.3 * np.hypot(x - 0.5, y - 0.5))[..., None]
    for left, top in ((0.40, 0.38), (0.60, 0.38), (0.50, 0.58)):
        picture *= 1 - 0.4 * np.exp(-(((x - left) / 0.05) ** 2 + ((y - top) / 0.02) ** 2))[..., None]
    return picture.astype(np.uint8)


def with_thing(face, colour, *, left=0.5, right=0.62):
    """The face with an upright bar of one colour before it."""
    frame = face.copy()
    frame[:, int(left * SIDE) : int(right * SIDE)] = colour
    return frame


def hidden(frame, shown):
    return occlusion.hidden(frame, shown, FACE, WFLW98)


@pytest.mark.parametrize("colour", [HAND, SKY, (30, 30, 30), (250, 250, 250)])
def test_a_thing_before_the_face_is_hidden_and_all_else_is_not(face, colour):
    found = hidden(with_thing(face, colour), face)
    column = int(0.56 * occlusion.SIDE)
    assert found[24:40, column].min() > 0.9
    assert found[:, : int(0.42 * occlusion.SIDE)].max() < 0.1
    assert found[:4].max() == found[-4:].max() == 0  # beside the face


def test_a_face_that_its_code_shows_is_hidden_nowhere_whatever_the_light(face):
    rng = np.random.default_rng(0)
    noisy = face + rng.normal(0, 12, face.shape)
    darker = 0.8 * noisy + [10, 0, -10]
    for frame in (face, noisy, darker):
        assert not hidden(frame.clip(0, 255).astype(np.uint8), face).any()


def test_lids_and_lips_that_a_code_misses_hide_nothing(face):
    frame = face.copy()
    frame[int(0.57 * SIDE) : int(0.59 * SIDE), int(0.45 * SIDE) : int(0.55 * SIDE)] = (60, 30, 30)
    assert not hidden(frame, face).any()


def test_how_much_of_a_face_is_covered_is_its_share(face):
    parts = np.stack([np.zeros((occlusion.SIDE, occlusion.SIDE)), hidden(with_thing(face, SKY), face)])
    parts = np.concatenate((parts, np.ones_like(parts[:1])))
    none, some, whole = occlusion.covered(parts, np.repeat(FACE[None], 3, axis=0), WFLW98)
    assert none == 0 and 0.3 < some < 0.6 and whole == pytest.approx(1)


def test_all_of_a_thing_is_hidden_though_half_of_it_has_the_colour_of_skin(face):
    frame = with_thing(face, HAND)
    frame[: SIDE // 2, int(0.5 * SIDE) : int(0.62 * SIDE)] = (
        face[: SIDE // 2, int(0.5 * SIDE) : int(0.62 * SIDE)] - 12
    )
    column = int(0.56 * occlusion.SIDE)
    assert hidden(frame, face)[26:40, column].min() > 0.9
    alone = face.copy()
    alone[: SIDE // 2, int(0.5 * SIDE) : int(0.62 * SIDE)] -= 12
    assert not hidden(alone, face).any()


def test_a_mouth_that_opens_further_than_its_code_knows_hides_nothing_and_a_hand_before_it_does(face):
    mouth = SIDE * FACE[list(WFLW98.parts["mouth"])]
    (left, top), (right, bottom) = mouth.min(axis=0).astype(int), mouth.max(axis=0).astype(int)
    points = FACE.copy()
    points[[*range(83, 88), *range(93, 96)], 1] += 0.1  # the lower lip
    frame = face.copy()
    frame[top : bottom + int(0.1 * SIDE), left:right] = (60, 20, 20)
    assert not occlusion.hidden(frame, face, points, WFLW98).any()
    found = occlusion.hidden(with_thing(frame, SKY), face, points, WFLW98)
    assert found[24:40, int(0.56 * occlusion.SIDE)].min() > 0.9
