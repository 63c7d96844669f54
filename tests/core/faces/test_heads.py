import numpy as np
import pytest

from d2a_core.faces import geometry
from d2a_core.faces.heads import lift, lift_clip, project, rigid_share
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98

POSES = [(0, 0, 0), (25, 0, 0), (-40, 10, 5), (15, -20, -30), (0, 30, 15)]


def picture(shape, yaw, pitch=0.0, roll=0.0, scale=0.25, shift=(0.5, 0.4)):
    """Points [P, 2] of a shape [P, 3] seen by a weak-perspective camera."""
    return scale * (shape @ geometry.rotation_matrix(yaw, pitch, roll).T)[:, :2] + shift


@pytest.mark.parametrize("scheme", [WFLW98, IBUG68])
@pytest.mark.parametrize("known", [True, False])
def test_the_mean_face_is_found_in_any_pose(scheme, known):
    face = template_of(scheme)
    points = np.stack([picture(face, *pose, scale=0.2 + 0.01 * n) for n, pose in enumerate(POSES)])
    heads = lift(points, scheme, np.array(POSES) if known else None)
    np.testing.assert_allclose(geometry.angles_of(heads.rotation), POSES, atol=0.02)
    np.testing.assert_allclose(heads.scale, 0.2 + 0.01 * np.arange(5), rtol=1e-3)
    np.testing.assert_allclose(heads.shift, np.tile([0.5, 0.4], (5, 1)), atol=1e-3)
    np.testing.assert_allclose(heads.shape, np.tile(face, (5, 1, 1)), atol=2e-3)


def test_projecting_is_the_inverse_of_lifting():
    rng = np.random.default_rng(0)
    points = picture(template_of(WFLW98), 20, 10)[None] + rng.normal(0, 0.005, (6, 98, 2))
    for heads in (lift(points, WFLW98), lift_clip(points, WFLW98)):
        np.testing.assert_allclose(project(heads), points, atol=1e-9)


def nose_length(face):
    """Distance of the nose before the eye corners, in inter-ocular ones."""
    return face[[60, 64, 68, 72], 2].mean() - face[51:60, 2].mean()


def test_turns_reveal_the_depth_of_a_face():
    face = template_of(WFLW98).copy()
    face[51:60, 2] -= 0.1  # a longer nose than the mean's
    yaws = np.linspace(-35, 35, 41)
    points = np.stack([picture(face, yaw) for yaw in yaws])
    angles = np.column_stack((yaws, np.zeros((41, 2))))
    longer, mean = nose_length(face), nose_length(template_of(WFLW98))
    assert nose_length(lift_clip(points, WFLW98, angles).shape.mean(axis=0)) == pytest.approx(
        longer, abs=0.02
    )
    still = np.repeat(points[20:21], 5, axis=0)  # nothing is revealed without a turn
    assert nose_length(lift_clip(still, WFLW98).shape[0]) == pytest.approx(mean, abs=0.02)


def test_roll_is_that_of_the_points_whatever_the_angles_say():
    points = picture(template_of(WFLW98), 10, 0, 12)[None]
    heads = lift(points, WFLW98, np.array([[10.0, 0.0, -40.0]]))
    assert geometry.angles_of(heads.rotation)[0, 2] == pytest.approx(12, abs=1e-3)


def test_a_turn_is_rigid_whatever_the_alignment_did_and_a_smile_is_not():
    face = template_of(WFLW98)
    still = picture(face, 0)
    turned = picture(face, 2, 1, 3, scale=0.255, shift=(0.51, 0.4)) - still
    smile = np.zeros_like(still)
    smile[[76, 82]] = (-0.01, -0.02), (0.01, -0.02)
    share = rigid_share(
        np.stack((turned, smile, 0.03 * turned / np.abs(turned).max() + smile, 0 * smile)), still, WFLW98
    )
    assert share[0] > 0.97 and share[1] < 0.1
    assert share[1] < share[2] < share[0]
    assert share[3] == 0


def test_a_shift_of_the_picture_is_no_turn():
    still = picture(template_of(WFLW98), 0)
    smile = np.zeros_like(still)
    smile[[76, 82]] = (-0.01, -0.02), (0.01, -0.02)
    both = rigid_share(np.stack((smile, smile + [0.05, 0.02])), still, WFLW98)
    assert both[1] == pytest.approx(both[0], abs=1e-6)
