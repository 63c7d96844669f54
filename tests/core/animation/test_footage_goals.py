"""What a driver asks of footage: parts it moves are its own, from the footage at rest; others stay."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import yaml

from d2a_core.animation import animations, footage_goals, motion
from d2a_core.animation.cast import Cast
from d2a_core.animation.motion import Transfer
from d2a_core.faces import geometry
from d2a_core.faces.heads import Heads
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.store import tables

CONFIG = yaml.safe_load((Path(__file__).parents[3] / "config.yaml").read_text())["animations"]
OPTIONS = animations.Options(
    **{key: value for key, value in CONFIG.items() if key not in ("paste_back", "comparison")}
)
AS_IT_IS = Transfer("relative", scale=1.0, pose=1.0, expression=1.0, rest_lips="driver")
FACE = template_of(WFLW98)
LOWER_LIP = [*range(83, 88), *range(93, 96)]
MOUTH = list(WFLW98.parts["mouth"])
LIDS = [point for lids in WFLW98.lids for point in lids]
SPEAKS = [0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.3, 0.2]
ALL = ("pose", "expression")


def opened(gap):
    face = FACE.copy()
    face[LOWER_LIP, 1] += gap
    return face


def blinking(share):
    """Lids closed by a share of their gap."""
    face = FACE.copy()
    for upper, lower in WFLW98.lids:
        middle = (face[upper, 1] + face[lower, 1]) / 2
        face[[upper, lower], 1] = middle + (1 - share) * (face[[upper, lower], 1] - middle)
    return face


def heads(shapes, yaws=None, shift=(0.5, 0.4)):
    turns = [geometry.rotation_matrix(yaw, 0, 0) for yaw in yaws or [0.0] * len(shapes)]
    count = len(shapes)
    return Heads(np.stack(turns), np.full(count, 0.25), np.tile(shift, (count, 1)), np.stack(shapes))


def yaws(found):
    return geometry.angles_of(found.rotation)[:, 0]


def driven(own, driver, parts=ALL, **changes):
    return footage_goals.driven(own, motion.frame(driver, 0), driver, replace(AS_IT_IS, **changes), parts)


@pytest.fixture
def talk():
    """Footage that speaks at the end, and turns from -8 to 6 degrees meanwhile."""
    return heads([opened(gap) for gap in SPEAKS], yaws=list(range(-8, 8, 2)))


@pytest.fixture
def silent():
    """A driver that blinks early, says nothing, turns by 20 degrees and comes nearer."""
    shapes = [blinking(share) for share in (0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0)]
    return replace(heads(shapes, yaws=[0, 20, 20, 20, 0, 0, 0, 0]), scale=np.linspace(0.25, 0.5, 8))


def test_a_mouth_that_speaks_in_the_footage_is_silent_under_a_silent_driver(talk, silent):
    found = driven(talk, silent)
    assert found.shape[:, MOUTH] == pytest.approx(np.tile(FACE[MOUTH], (8, 1, 1)), abs=1e-6)
    assert np.abs(talk.shape[-1, MOUTH] - FACE[MOUTH]).max() == pytest.approx(0.2)


def test_what_the_driver_does_is_done_from_the_footage_at_rest(talk, silent):
    assert driven(talk, silent).shape[1, LIDS] == pytest.approx(blinking(1.0)[LIDS], abs=1e-6)


def test_the_head_turns_as_the_drivers_and_keeps_its_place_in_the_frame(talk, silent):
    found, rest = driven(talk, silent), yaws(motion.neutral_heads(talk))
    assert yaws(found) == pytest.approx(rest + [0, 20, 20, 20, 0, 0, 0, 0], abs=1e-6)
    assert (found.scale == talk.scale).all() and (found.shift == talk.shift).all()


def test_lips_alone_leave_head_and_eyes_to_the_footage(silent):
    own = heads([blinking(share) for share in (0, 0, 0, 0, 0.6, 1.0, 0.6, 0)], yaws=list(range(8)))
    speaking = heads([opened(gap) for gap in (0.0, 0.1, 0.2, 0.3, 0.3, 0.2, 0.1, 0.0)], yaws=[0] * 8)
    found = driven(own, speaking, ("lips",))
    assert yaws(found) == pytest.approx(np.arange(8), abs=1e-6)
    assert found.shape[:, LIDS] == pytest.approx(own.shape[:, LIDS])
    assert found.shape[:, MOUTH] == pytest.approx(speaking.shape[:, MOUTH], abs=1e-6)


def test_eyes_alone_leave_the_speech_of_the_footage(talk, silent):
    found = driven(talk, silent, ("eyes",), rest_lips="source")
    assert found.shape[:, MOUTH] == pytest.approx(talk.shape[:, MOUTH])
    assert found.shape[1, LIDS] == pytest.approx(blinking(1.0)[LIDS], abs=1e-6)


def test_a_scale_of_nothing_leaves_a_part_to_the_footage_and_half_of_one_half(talk, silent):
    none = driven(talk, silent, pose=0.0)
    assert yaws(none) == pytest.approx(yaws(talk), abs=1e-6)
    assert none.shape[1, LIDS] == pytest.approx(blinking(1.0)[LIDS], abs=1e-6)
    half, rest = driven(talk, silent, pose=0.5), yaws(motion.neutral_heads(talk))
    assert yaws(half)[1] == pytest.approx(rest[0] + 10 + (yaws(talk)[1] - rest[0]) / 2, abs=1e-6)


def test_the_shorter_clip_says_how_long_and_a_picture_lasts():
    assert footage_goals.count(60, Fraction(30), 25, Fraction(25)) == 30
    assert footage_goals.count(20, Fraction(30), 25, Fraction(25)) == 20
    assert footage_goals.count(60, Fraction(30), 1, Fraction(25)) == 60
    assert footage_goals.count(60, Fraction(30000, 1001), 2, Fraction(60)) == 1


def table(shapes, rate):
    points = [(0.25 * shape[:, :2] + [0.5, 0.4]).astype(np.float32) for shape in shapes]
    columns = {"points": tables.points_column(np.stack(points)), "time_s": np.arange(len(points)) / rate}
    columns |= {"shot": np.zeros(len(points), np.int32)}
    columns |= {"quad": tables.points_column(np.zeros((len(points), 4, 2), np.float32))}
    angles = {name: np.zeros(len(points), np.float32) for name in ("yaw", "pitch", "roll")}
    return pyarrow.table(columns | angles)


def test_a_driver_of_another_rate_is_where_it_is_at_the_time_of_each_frame():
    gaps = [0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.3]
    driver, still = table([opened(gap) for gap in gaps], 25), table([FACE] * 20, 50)
    asked = footage_goals.asked(still, driver, OPTIONS, ALL)
    lip = (asked[:, LOWER_LIP[0], 1] - asked[0, LOWER_LIP[0], 1]) / 0.25
    assert lip[[8, 9, 10, 11, 12, 14]] == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2, 0.3], abs=1e-3)


def cast_of(person, stretch=None):
    """A cast of as many people as are seen; the numbers of their stretches are theirs, unless told."""
    person = np.array(person)
    count = person.max() + 1
    faces = np.zeros((count, 4, 6), np.float32), np.repeat(FACE[None, :, :2], count, axis=0)
    return Cast(person, person if stretch is None else np.array(stretch), np.zeros(count, np.int64), *faces)


def test_a_take_ends_with_the_shorter_clip_and_knows_how_the_footage_was():
    own = [opened(gap) for gap in (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.3, 0.3, 0.3)]
    rates = {"rate": Fraction(50), "driver_rate": Fraction(25)}
    take = footage_goals.take(table(own, 50), table([FACE] * 4, 25), OPTIONS, ALL, cast_of([0] * 10), **rates)
    assert len(take.time_s) == len(take.points) == len(take.goal) == 8
    gap = take.points[:, 94, 1] - take.points[:, 90, 1]
    asked = take.goal[:, 94, 1] - take.goal[:, 90, 1]
    assert gap[-1] > gap[0] + 0.05 and asked == pytest.approx(np.full(8, asked[0]), abs=1e-3)


@pytest.mark.parametrize(
    ("parts", "options", "whole"),
    [
        (ALL, OPTIONS, True),
        (("lips", "pose"), OPTIONS, True),
        (("lips", "pose"), replace(OPTIONS, pose_scale=0.0), False),
        (("eyes",), OPTIONS, False),
    ],
)
def test_a_part_leaves_the_pixels_of_all_else_unless_the_head_turns(parts, options, whole):
    rates = {"rate": Fraction(25), "driver_rate": Fraction(25)}
    still = table([FACE] * 3, 25)
    take = footage_goals.take(still, still, options, parts, cast_of([0] * 3), **rates)
    assert (take.regions is None) == whole
    if not whole:
        moved = LIDS if "eyes" in parts else MOUTH
        assert take.regions[moved].min() == 1 and take.regions[list(WFLW98.parts["brows"])].max() == 0


def test_frames_without_a_face_are_asked_for_nothing_and_have_no_part_in_a_rest():
    own = [FACE] * 3 + [opened(3.0)] * 2 + [FACE] * 3
    rates = {"rate": Fraction(25), "driver_rate": Fraction(25)}
    people = cast_of([0, 0, 0, -1, -1, 0, 0, 0], [0, 0, 0, -1, -1, 1, 1, 1])
    driver = table([opened(gap) for gap in (0, 0, 0, 0, 0, 0.2, 0.2, 0.2)], 25)
    take = footage_goals.take(table(own, 25), driver, OPTIONS, ALL, people, **rates)
    assert take.rows.tolist() == [0, 1, 2, 5, 6, 7] and len(take.time_s) == 8
    gap = take.goal[:, 94, 1] - take.goal[:, 90, 1]
    assert gap[3:] - gap[0] == pytest.approx(np.full(3, 0.25 * 0.2), abs=2e-3)
    assert take.share.tolist() == pytest.approx([0.6, 0.4, 0.2, 0.2, 0.4, 0.6])


def test_everybody_in_a_clip_starts_from_a_rest_of_their_own():
    wide = FACE * [1.3, 1.0, 1.0]
    clip, driver = table([FACE] * 4 + [wide] * 4, 25), table([FACE] * 8, 25)
    rates = {"rate": Fraction(25), "driver_rate": Fraction(25)}
    take = footage_goals.take(clip, driver, OPTIONS, ALL, cast_of([0] * 4 + [1] * 4), **rates)
    assert take.goal == pytest.approx(tables.points_array(clip), abs=2e-3)


def test_a_driver_that_ends_before_a_face_is_seen_is_refused_in_a_sentence():
    rates = {"rate": Fraction(25), "driver_rate": Fraction(25)}
    people = cast_of([-1] * 4 + [0] * 4)
    with pytest.raises(ValueError, match="no face in the 2 frames that the driver lasts; choose a longer"):
        footage_goals.take(table([FACE] * 8, 25), table([FACE] * 2, 25), OPTIONS, ALL, people, **rates)


@pytest.fixture
def clips(monkeypatch):
    """Clips by name, of which those called loud have sound."""

    class Info:
        def __init__(self, path):
            self.has_audio = path.startswith("loud")

    monkeypatch.setattr(footage_goals.video_reading, "probe", Info)


@pytest.mark.parametrize(
    ("driver", "parts", "options", "heard"),
    [
        ("loud", ALL, OPTIONS, "loud"),
        ("loud", ("lips",), OPTIONS, "loud"),
        ("silent", ALL, OPTIONS, "footage"),
        ("loud", ("eyes",), OPTIONS, "footage"),
        ("loud", ("pose",), OPTIONS, "footage"),
        ("loud", ALL, replace(OPTIONS, expression_scale=0.0), "footage"),
    ],
)
def test_the_sound_is_that_of_the_lips(clips, driver, parts, options, heard):
    assert footage_goals.heard("footage", driver, options, parts) == heard
