from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import yaml

from d2a_core.animation import animations, combining, driving, motion
from d2a_core.animation.motion import Transfer
from d2a_core.faces import geometry
from d2a_core.faces.heads import lift, lift_clip
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media.video_reading import Frame
from d2a_core.store import tables

CONFIG = yaml.safe_load((Path(__file__).parents[3] / "config.yaml").read_text())["animations"]
FACE = template_of(WFLW98)
MOUTH, CONTOUR = (list(WFLW98.parts[name]) for name in ("mouth", "contour"))
OPTIONS = animations.Options(
    **{key: value for key, value in CONFIG.items() if key not in ("paste_back", "comparison")}
)
ABOVE = [point for point in range(98) if point not in MOUTH + CONTOUR]
OPENING = [0.0, 0.0, 0.0, 0.1, 0.2, 0.2, 0.1, 0.0]
BROADER = FACE * [1.06, 0.97, 1.0]
RATE = Fraction(25)


def picture(shape, yaw=0.0):
    return (0.25 * (shape @ geometry.rotation_matrix(yaw, 0, 0).T)[:, :2] + [0.5, 0.4]).astype(np.float32)


def opened(face, gap):
    face = face.copy()
    face[[*range(83, 88), *range(93, 96)], 1] += gap
    return face


def blinking(face, share):
    """A face whose lids are closed by a share of their gap."""
    face = face.copy()
    for upper, lower in WFLW98.lids:
        middle = (face[upper, 1] + face[lower, 1]) / 2
        face[[upper, lower], 1] = middle + (1 - share) * (face[[upper, lower], 1] - middle)
    return face


def driver(points, yaws, rate=RATE, **columns):
    count = len(points)
    flags = {name: np.full(count, name == "found") for name in ("found", "interpolated", "held")}
    angles = {
        "yaw": np.array(yaws, np.float32),
        **{n: np.zeros(count, np.float32) for n in ("pitch", "roll")},
    }
    table = {
        "points": tables.points_column(np.stack(points)),
        "score": np.ones(count, np.float32),
        "shot": np.zeros(count, np.int32),
        **flags,
        **angles,
    }
    return combining.driver_of(pyarrow.table(table | columns), {"rate": str(rate)})


@pytest.fixture
def turning():
    """A broad face that turns from 0 to 24 degrees in 25 frames, its mouth shut."""
    return driver([picture(BROADER, yaw) for yaw in range(25)], range(25))


@pytest.fixture
def speaking():
    """The mean face that opens its mouth step by step, half as long."""
    return driver([picture(opened(FACE, 0.02 * n)) for n in range(12)], np.zeros(12))


def test_the_head_of_one_clip_carries_the_face_of_the_other(turning, speaking):
    track, rate = combining.combine({"pose": turning, "expression": speaking})
    assert rate == 25 and len(track.found) == 25
    assert track.angles[:, 0] == pytest.approx(np.arange(25) - 0, abs=1)
    gap = track.canonical[:, 94, 1] - track.canonical[:, 90, 1]
    rest = FACE[94, 1] - FACE[90, 1]
    assert gap[:12] - rest == pytest.approx(0.02 * np.arange(12), abs=4e-3)
    width = np.ptp(track.canonical[:, :33, 0], axis=1)  # the face's own, not that of who turns
    assert width == pytest.approx(np.ptp(FACE[:33, 0]), abs=0.01)


def test_the_shorter_clip_goes_to_and_fro_without_a_jump(turning, speaking):
    track, _ = combining.combine({"pose": turning, "expression": speaking})
    gap = track.canonical[:, 94, 1] - track.canonical[:, 90, 1]
    assert np.abs(np.diff(gap)).max() < 0.025
    assert gap[22] == pytest.approx(gap[0], abs=4e-3)


def test_a_clip_of_another_rate_is_met_at_the_same_seconds(turning):
    fast = driver([picture(opened(FACE, 0.01 * n)) for n in range(50)], np.zeros(50), rate=Fraction(50))
    track, _ = combining.combine({"pose": turning, "expression": fast})
    gap = track.canonical[:, 94, 1] - track.canonical[:, 90, 1]
    assert gap - gap[0] == pytest.approx(0.02 * np.arange(25), abs=4e-3)


def test_a_picture_gives_its_pose_for_the_whole_clip(speaking):
    still = driver([picture(BROADER, -15)], [-15])
    track, _ = combining.combine({"pose": still, "expression": speaking})
    assert len(track.found) == 12
    assert track.angles[:, 0] == pytest.approx(-15, abs=0.5)


def test_two_pictures_make_one_frame():
    one, other = driver([picture(FACE, 10)], [10]), driver([picture(opened(FACE, 0.2))], [0])
    track, _ = combining.combine({"pose": one, "expression": other})
    assert len(track.found) == 1 and track.angles[0, 0] == pytest.approx(10, abs=0.5)


def test_the_source_moves_from_its_rest_though_no_frame_shows_the_drivers(turning):
    speaking = driver([picture(opened(FACE, 0.2 * (n < 7))) for n in range(12)], np.zeros(12))
    table = pyarrow.table(driving.table(combining.combine({"pose": turning, "expression": speaking})[0]))
    source, rest = picture(FACE)[None], tables.points_array(table, "rest_points")[:1]
    own, at_rest = (lift(points, WFLW98, np.zeros((1, 3))) for points in (source, rest))
    heads = lift_clip(tables.points_array(table), WFLW98, tables.angles_array(table))
    transfer = Transfer("relative", scale=1.0, pose=1.0, expression=1.0, rest_lips="source")
    found = motion.goal(own, heads, transfer, rest=at_rest)
    heads = lift(found, WFLW98)
    assert geometry.angles_of(heads.rotation)[:, 0] == pytest.approx(np.arange(25), abs=2)
    gap = heads.shape[:, 94, 1] - heads.shape[:, 90, 1]
    assert gap[3] - (FACE[94, 1] - FACE[90, 1]) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(("parts", "kept"), [(("eyes",), True), (("eyes", "lips"), False)])
def test_a_source_that_shows_its_teeth_keeps_them_when_nobody_moves_its_lips(parts, kept):
    winking = driver([picture(blinking(FACE, share)) for share in (0, 0, 0, 1)], np.zeros(4))
    track, _ = combining.combine(dict.fromkeys(parts, winking))
    teeth = picture(opened(FACE, 0.2))[None]
    angles = {name: np.zeros(1, np.float32) for name in ("yaw", "pitch", "roll")}
    source = pyarrow.table({"points": tables.points_column(teeth), **angles})
    asked = animations.asked(source, pyarrow.table(driving.table(track)), OPTIONS)
    assert asked[0] == pytest.approx(teeth[0], abs=2e-4) if kept else asked[0, 94, 1] < teeth[0, 94, 1] - 0.03
    eyes = list(WFLW98.parts["eyes"])
    assert np.ptp(np.delete(asked, eyes, axis=1), axis=0).max() < 1e-5 < np.ptp(asked[:, eyes])


def test_a_cut_in_either_clip_is_a_cut(turning, speaking):
    cut = driver([picture(FACE)] * 25, np.zeros(25), shot=np.arange(25, dtype=np.int32) // 10)
    track, _ = combining.combine({"pose": turning, "expression": cut})
    assert np.flatnonzero(np.diff(track.shot)).tolist() == [9, 19]


def test_the_picture_of_a_combined_driver_shows_both_at_their_moments(turning, speaking):
    def frames(count, channel):
        for index in range(count):
            image = np.zeros((32, 32, 3), np.uint8)
            image[..., channel] = 10 * index
            yield Frame(index, index / 25, image)

    drivers = {"pose": turning, "expression": speaking}
    pictures = {"pose": frames(25, 0), "expression": frames(12, 1)}
    titles = {"pose": "the head", "expression": "the face"}
    shown = list(combining.show(drivers, pictures, titles, height=32))
    assert len(shown) == 25
    assert [image[5, 5, 0] for image in shown] == [10 * index for index in range(25)]
    back = [image[5, 40, 1] for image in shown]
    assert back[:12] == [10 * index for index in range(12)] and back[12:15] == [100, 90, 80]


def gap_of(track):
    return track.canonical[:, 94, 1] - track.canonical[:, 90, 1]


def still(face, count=8):
    return driver([picture(face)] * count, np.zeros(count))


@pytest.fixture
def opening():
    """Someone whose face below the eyes is a quarter longer, and the mouth wider, opens it by `OPENING`."""
    face, eyes = FACE.copy(), FACE[[60, 72], 1].mean()
    face[8:25, 1] = eyes + 1.25 * (face[8:25, 1] - eyes)
    face[MOUTH, 0] *= 1.2
    return driver([picture(opened(face, gap)) for gap in OPENING], np.zeros(8))


def test_lips_of_another_open_a_still_face_in_its_own_proportions_and_leave_the_rest(opening):
    face = still(FACE)
    track, _ = combining.combine({"pose": face, "expression": face, "lips": opening})
    alone, _ = combining.combine({"pose": face, "expression": face})
    assert gap_of(track) - gap_of(alone) == pytest.approx(np.array(OPENING) / 1.25, abs=1e-3)
    assert np.array_equal(track.points[:, ABOVE], alone.points[:, ABOVE])
    shut = np.equal(OPENING, 0)
    assert np.array_equal(track.points[shut], alone.points[shut])  # nor do they bring their own mouth


def test_the_jaw_falls_with_the_lips_most_at_the_chin_and_not_at_the_ears():
    falling = FACE.copy()
    falling[3:30, 1] += 0.1
    speaking = driver([picture(FACE)] * 3 + [picture(falling)], np.zeros(4))
    track, _ = combining.combine({"lips": speaking})
    fallen = track.canonical[3, CONTOUR, 1] - track.canonical[0, CONTOUR, 1]
    assert fallen[16] == pytest.approx(0.1, abs=0.02)
    assert fallen[[8, 24]] == pytest.approx(fallen[16] * np.sqrt(0.5), abs=0.01)
    assert not fallen[[0, 2, 30, 32]].any()


def test_shut_lips_silence_a_face_that_speaks_and_leave_it_its_eyes():
    talk = [picture(blinking(opened(FACE, gap), min(1.0, 3 * gap))) for gap in OPENING]
    speaking = driver(talk, np.zeros(8))
    track, _ = combining.combine({"pose": speaking, "expression": speaking, "lips": still(BROADER)})
    alone, _ = combining.combine({"pose": speaking, "expression": speaking})
    assert np.ptp(gap_of(alone)) > 0.15 and np.ptp(gap_of(track)) < 1e-6
    assert np.ptp(track.canonical[:, MOUTH], axis=0).max() < 1e-6
    assert np.array_equal(track.canonical[:, ABOVE], alone.canonical[:, ABOVE])


def test_eyes_of_another_close_when_theirs_do_and_nothing_else_moves():
    wide = blinking(FACE, -0.3)
    winking = driver([picture(blinking(wide, share)) for share in (0, 0, 0, 0.5, 1, 1, 0, 0)], np.zeros(8))
    speaking = driver([picture(opened(FACE, gap)) for gap in OPENING], np.zeros(8))
    track, _ = combining.combine({"pose": speaking, "expression": speaking, "eyes": winking})
    alone, _ = combining.combine({"pose": speaking, "expression": speaking})
    upper, lower = map(list, zip(*WFLW98.lids, strict=True))
    lids = (track.canonical[:, lower, 1] - track.canonical[:, upper, 1]).mean(axis=1)
    assert lids / lids[0] == pytest.approx([1, 1, 1, 0.5, 0, 0, 1, 1], abs=0.02)
    others = [point for point in range(98) if point not in WFLW98.parts["eyes"]]
    assert np.array_equal(track.points[:, others], alone.points[:, others])
    corners = [60, 64, 68, 72]
    assert np.array_equal(track.points[:, corners], alone.points[:, corners])


@pytest.mark.parametrize("part", ["lips", "eyes", "expression"])
def test_a_part_alone_moves_itself_and_leaves_the_head_straight(part, opening):
    track, rate = combining.combine({part: opening})
    assert rate == RATE and len(track.found) == 8 and not track.angles.any()
    assert np.array_equal(track.points[0], track.rest[0])
    moved = np.ptp(track.canonical, axis=0).any(axis=1)
    assert moved[MOUTH].any() == (part != "eyes")
    assert part == "expression" or not moved[[*WFLW98.rigid, *WFLW98.parts["brows"]]].any()


def test_the_head_of_one_speaks_with_the_lips_of_another(turning, opening):
    track, _ = combining.combine({"pose": turning, "lips": opening})
    assert track.angles[:, 0] == pytest.approx(np.arange(25), abs=1)
    assert gap_of(track)[:8] - gap_of(track)[0] == pytest.approx(OPENING, abs=1e-3)  # the face is theirs
    assert not np.ptp(track.canonical[:, ABOVE], axis=0).any()


def test_a_clip_in_all_roles_is_that_clip(opening):
    whole, _ = combining.combine({"pose": opening, "expression": opening})
    parts, _ = combining.combine(dict.fromkeys(("pose", "expression", "lips", "eyes"), opening))
    assert parts.points == pytest.approx(whole.points, abs=1e-6)


def test_lips_that_were_apart_close_without_crossing_those_that_were_shut():
    shut = opened(FACE, FACE[90, 1] - FACE[94, 1])
    closing = driver([picture(opened(shut, gap)) for gap in (0.1, 0.05, 0.0)], np.zeros(3))
    closing = replace(closing, rest=motion.frame(closing.heads, 0))
    track, _ = combining.combine({"expression": still(shut, 3), "lips": closing})
    assert gap_of(track) == pytest.approx(0, abs=1e-3)


def test_the_longest_clip_gives_the_length_and_the_first_that_moves_the_rate(turning, opening):
    photo = driver([picture(FACE)], [0], rate=Fraction(1))
    track, rate = combining.combine({"pose": photo, "expression": opening, "eyes": turning})
    assert rate == RATE and len(track.found) == 25
    assert gap_of(track)[:15] - gap_of(track)[0] == pytest.approx([*OPENING, *OPENING[-2::-1]], abs=1e-3)


def test_the_clip_of_the_lips_is_heard_and_without_one_that_of_the_face():
    assert combining.heard({"pose": "a", "expression": "b", "lips": "c"}) == "c"
    assert combining.heard({"pose": "a", "expression": "b", "eyes": "c"}) == "b"
    assert combining.heard({"pose": "a", "eyes": "b"}) == "b"


def test_a_clip_of_several_parts_is_captioned_with_all_of_them():
    parts = {"pose": "a.mp4", "expression": "b.mp4", "lips": "a.mp4", "eyes": "b.mp4"}
    assert combining.captions(parts) == {"pose": "pose, lips", "expression": "expression, eyes"}
