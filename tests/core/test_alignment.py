import numpy as np
import pytest

from d2a_core import alignment
from d2a_core.mean_face import template_of
from d2a_core.schemes import WFLW98


@pytest.fixture
def face():
    """A frontal face in the middle of a unit image, [1, 98, 2]."""
    return 0.25 * template_of(WFLW98)[None, :, :2] + [0.5, 0.4]


def _similar(points, scale, degrees, shift):
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return scale * points @ rotation.T + shift


def test_layout_of_a_frontal_face_is_upright_and_twice_the_eyes_wide(face):
    crop = alignment.layout(face, WFLW98)
    left, right = (face[0, list(eye)].mean(axis=0) for eye in (WFLW98.left_eye, WFLW98.right_eye))
    mouth = face[0, [76, 82]].mean(axis=0)
    across, down = np.linalg.norm(right - left), np.linalg.norm(mouth - (left + right) / 2)
    assert crop.axis[0, 1] == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(crop.axis[0]) == pytest.approx(max(2 * across, 1.8 * down))
    assert crop.centre[0] == pytest.approx((left + right) / 2 + 0.1 * (mouth - (left + right) / 2))


def test_alignment_undoes_scale_rotation_and_shift(face):
    moved = np.concatenate([face, _similar(face, 300, 20, [120, 60]), _similar(face, 80, -35, [10, 400])])
    reference = alignment.layout(face, WFLW98)
    aligned = alignment.align(moved, alignment.layout(moved, WFLW98), reference)
    for row in aligned:
        assert row == pytest.approx(face[0], abs=1e-6)
