from fractions import Fraction

import numpy as np
import pytest

from d2a_core import alignment, driving
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


def test_a_steady_crop_keeps_its_width_while_the_mouth_opens(face):
    frames = np.repeat(face, 30, axis=0)
    frames[::2, 76:96, 1] += 0.03
    crops = driving.steady(alignment.layout(frames, WFLW98), rate_hz=25, cutoff_hz=1.0)
    widths = np.linalg.norm(crops.axis, axis=1)
    assert widths == pytest.approx(widths[0])
    raw = alignment.layout(frames, WFLW98).centre[:, 1]
    assert np.ptp(crops.centre[5:-5, 1]) < np.ptp(raw) / 3


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
        alignment.layout(face, WFLW98),
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
            alignment.layout(face, WFLW98),
            rate=Fraction(25),
            smoothing_hz=1,
        )
