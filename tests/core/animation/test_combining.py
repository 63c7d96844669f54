from fractions import Fraction

import numpy as np
import pyarrow
import pytest

from d2a_core.animation import combining, driving, motion
from d2a_core.animation.motion import Transfer
from d2a_core.faces import geometry
from d2a_core.faces.heads import lift, lift_clip
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media.video_reading import Frame
from d2a_core.store import tables

FACE = template_of(WFLW98)
BROADER = FACE * [1.06, 0.97, 1.0]
RATE = Fraction(25)


def picture(shape, yaw=0.0):
    return (0.25 * (shape @ geometry.rotation_matrix(yaw, 0, 0).T)[:, :2] + [0.5, 0.4]).astype(np.float32)


def opened(face, gap):
    face = face.copy()
    face[[*range(83, 88), *range(93, 96)], 1] += gap
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
    track, rate = combining.combine(turning, speaking)
    assert rate == 25 and len(track.found) == 25
    assert track.angles[:, 0] == pytest.approx(np.arange(25) - 0, abs=1)
    gap = track.canonical[:, 94, 1] - track.canonical[:, 90, 1]
    rest = FACE[94, 1] - FACE[90, 1]
    assert gap[:12] - rest == pytest.approx(0.02 * np.arange(12), abs=4e-3)
    width = np.ptp(track.canonical[:, :33, 0], axis=1)  # the face's own, not that of who turns
    assert width == pytest.approx(np.ptp(FACE[:33, 0]), abs=0.01)


def test_the_shorter_clip_goes_to_and_fro_without_a_jump(turning, speaking):
    track, _ = combining.combine(turning, speaking)
    gap = track.canonical[:, 94, 1] - track.canonical[:, 90, 1]
    assert np.abs(np.diff(gap)).max() < 0.025
    assert gap[22] == pytest.approx(gap[0], abs=4e-3)


def test_a_clip_of_another_rate_is_met_at_the_same_seconds(turning):
    fast = driver([picture(opened(FACE, 0.01 * n)) for n in range(50)], np.zeros(50), rate=Fraction(50))
    track, _ = combining.combine(turning, fast)
    gap = track.canonical[:, 94, 1] - track.canonical[:, 90, 1]
    assert gap - gap[0] == pytest.approx(0.02 * np.arange(25), abs=4e-3)


def test_a_picture_gives_its_pose_for_the_whole_clip(speaking):
    still = driver([picture(BROADER, -15)], [-15])
    track, _ = combining.combine(still, speaking)
    assert len(track.found) == 12
    assert track.angles[:, 0] == pytest.approx(-15, abs=0.5)


def test_two_pictures_make_one_frame():
    one, other = driver([picture(FACE, 10)], [10]), driver([picture(opened(FACE, 0.2))], [0])
    track, _ = combining.combine(one, other)
    assert len(track.found) == 1 and track.angles[0, 0] == pytest.approx(10, abs=0.5)


def test_the_source_moves_from_its_rest_though_no_frame_shows_the_drivers(turning):
    speaking = driver([picture(opened(FACE, 0.2 * (n < 7))) for n in range(12)], np.zeros(12))
    table = pyarrow.table(driving.table(combining.combine(turning, speaking)[0]))
    source, rest = picture(FACE)[None], tables.points_array(table, "rest_points")[:1]
    own, at_rest = (lift(points, WFLW98, np.zeros((1, 3))) for points in (source, rest))
    heads = lift_clip(tables.points_array(table), WFLW98, tables.angles_array(table))
    transfer = Transfer("relative", scale=1.0, pose=1.0, expression=1.0, rest_lips="source")
    found = motion.goal(own, heads, transfer, rest=at_rest)
    heads = lift(found, WFLW98)
    assert geometry.angles_of(heads.rotation)[:, 0] == pytest.approx(np.arange(25), abs=2)
    gap = heads.shape[:, 94, 1] - heads.shape[:, 90, 1]
    assert gap[3] - (FACE[94, 1] - FACE[90, 1]) == pytest.approx(0.2, abs=0.03)


def test_a_cut_in_either_clip_is_a_cut(turning, speaking):
    cut = driver([picture(FACE)] * 25, np.zeros(25), shot=np.arange(25, dtype=np.int32) // 10)
    track, _ = combining.combine(turning, cut)
    assert np.flatnonzero(np.diff(track.shot)).tolist() == [9, 19]


def test_the_picture_of_a_combined_driver_shows_both_at_their_moments(turning, speaking):
    def frames(count, channel):
        for index in range(count):
            image = np.zeros((32, 32, 3), np.uint8)
            image[..., channel] = 10 * index
            yield Frame(index, index / 25, image)

    shown = list(combining.show((turning, frames(25, 0)), (speaking, frames(12, 1)), height=32))
    assert len(shown) == 25
    assert [image[5, 5, 0] for image in shown] == [10 * index for index in range(25)]
    back = [image[5, 40, 1] for image in shown]
    assert back[:12] == [10 * index for index in range(12)] and back[12:15] == [100, 90, 80]
