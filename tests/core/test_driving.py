from fractions import Fraction

import numpy as np
import pytest
import torch

from d2a_core import driving
from d2a_core.directions import ATTRIBUTES
from d2a_core.landmarks import Detections
from d2a_core.mean_face import template_of
from d2a_core.schemes import WFLW98
from d2a_core.video import Frame


@pytest.fixture
def face():
    """A frontal face in the middle of a unit image, [1, 98, 2]."""
    return 0.25 * template_of(WFLW98)[None, :, :2] + [0.5, 0.4]


def _similar(points, scale, degrees, shift):
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return scale * points @ rotation.T + shift


def test_layout_of_a_frontal_face_is_upright_and_twice_the_eyes_wide(face):
    crop = driving.layout(face, WFLW98)
    left, right = (face[0, list(eye)].mean(axis=0) for eye in (WFLW98.left_eye, WFLW98.right_eye))
    mouth = face[0, [76, 82]].mean(axis=0)
    across, down = np.linalg.norm(right - left), np.linalg.norm(mouth - (left + right) / 2)
    assert crop.axis[0, 1] == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(crop.axis[0]) == pytest.approx(max(2 * across, 1.8 * down))
    assert crop.centre[0] == pytest.approx((left + right) / 2 + 0.1 * (mouth - (left + right) / 2))


def test_alignment_undoes_scale_rotation_and_shift(face):
    moved = np.concatenate([face, _similar(face, 300, 20, [120, 60]), _similar(face, 80, -35, [10, 400])])
    reference = driving.layout(face, WFLW98)
    aligned = driving.align(moved, driving.layout(moved, WFLW98), reference)
    for row in aligned:
        assert row == pytest.approx(face[0], abs=1e-6)


def test_a_steady_crop_keeps_its_width_while_the_mouth_opens(face):
    frames = np.repeat(face, 30, axis=0)
    frames[::2, 76:96, 1] += 0.03
    crops = driving.steady(driving.layout(frames, WFLW98), rate_hz=25, cutoff_hz=1.0)
    widths = np.linalg.norm(crops.axis, axis=1)
    assert widths == pytest.approx(widths[0])
    raw = driving.layout(frames, WFLW98).centre[:, 1]
    assert np.ptp(crops.centre[5:-5, 1]) < np.ptp(raw) / 3


SCORES = pytest.mark.parametrize("played", [driving.POSE_SCORE, driving.FACE_SCORE])


@SCORES
def test_a_score_rests_at_both_ends_plays_its_moves_and_never_jumps(played):
    goal = driving.score(played, 101)
    assert (goal[0] == 0).all() and (goal[-1] == 0).all()
    moved = {name for name, column in zip(ATTRIBUTES, goal.T, strict=True) if np.abs(column).max() > 0.6}
    assert moved == set(played)
    assert np.abs(np.diff(goal, axis=0)).max() < 1.5


def test_a_performance_asks_for_its_goals_by_layer_and_stays_in_the_ball():
    count = len(ATTRIBUTES)
    store = {
        "vector": np.repeat(np.eye(count, 16, dtype=np.float32)[:, None], 8, axis=1),
        "effect": np.diag(np.arange(1.0, count + 1)).astype(np.float32),
        "deviation": np.arange(1.0, count + 1, dtype=np.float32),
        "mean_w": np.zeros(16, np.float32),
        "radius": np.array([9.0], np.float32),
    }
    plan = driving.Performance(name="p", seed=0, truncation=1.0, seconds=4.0, fps=25)
    delta = driving.perform(store, torch.zeros(1, 16, 16), plan).numpy()
    assert delta.shape == (100, 8, 16)
    share = 1 / (1 + driving.STEER_RIDGE)  # of ridge regression on one unit direction
    for played, layer, other in ((driving.POSE_SCORE, 0, 7), (driving.FACE_SCORE, 7, 0)):
        wanted = driving.score(played, 100) * share
        for name in played:
            column = ATTRIBUTES.index(name)
            assert delta[:, layer, column] == pytest.approx(wanted[:, column], abs=1e-3)
            assert (delta[:, other, column] == 0).all()
    store["radius"] = np.array([0.5], np.float32)
    near = driving.perform(store, torch.zeros(1, 16, 16), plan)
    assert near.norm(dim=-1).max() == pytest.approx(0.5, abs=1e-4)


class FakeDetector:
    """Sees the given faces one after the other; None is a frame without a face."""

    scheme = WFLW98

    def __init__(self, faces):
        self.faces = list(faces)

    def detect(self, images):
        chosen = [self.faces.pop(0) for _ in images]
        found = np.array([face is not None for face in chosen])
        points = np.stack([face if face is not None else np.full((98, 2), np.nan) for face in chosen])
        angles = np.zeros((len(images), 3), np.float32)
        return Detections(points, found.astype(np.float32), found, angles, points)


def test_tracking_bridges_lost_frames_and_aligns_wide_video(face):
    height, width, count = 100, 200, 11
    offsets = np.linspace(0, 20, count)  # the head drifts to the right, in pixels
    faces = [(_similar(face, 60, 0, [40 + x, 20]) / [width, height])[0] for x in offsets]
    faces[4] = None
    frames = (Frame(i, i / 25, np.zeros((height, width, 3), np.uint8)) for i in range(count))
    track = driving.track(
        frames,
        FakeDetector(faces),
        driving.layout(face, WFLW98),
        rate=Fraction(25),
        smoothing_hz=100,
    )
    assert track.found.tolist() == [i != 4 for i in range(count)]
    assert track.points.shape == (count, 98, 2)
    assert track.points[4] == pytest.approx(face[0], abs=5e-3)  # interpolated, then aligned
    assert track.points[0] == pytest.approx(face[0], abs=2e-2)
    columns = driving.table(track)
    assert columns["frame"].tolist() == list(range(count)) and columns["time_s"][5] == 5 / 25


def test_a_clip_without_any_face_is_one_sentence(face):
    frames = [Frame(i, i / 25, np.zeros((8, 8, 3), np.uint8)) for i in range(3)]
    with pytest.raises(ValueError, match="no face was found in any of 3 frames"):
        driving.track(
            frames,
            FakeDetector([None] * 3),
            driving.layout(face, WFLW98),
            rate=Fraction(25),
            smoothing_hz=1,
        )
