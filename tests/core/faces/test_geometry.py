import numpy as np
import pytest

from d2a_core.faces import geometry
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98


@pytest.fixture
def face98():
    """The mean face, its outer eye corners 60 px apart."""
    return (template_of(WFLW98)[None, :, :2] * 60 + 200).astype(np.float32)


def test_nme_of_a_shift_is_the_shift_over_the_ocular_distance(face98):
    moved = face98 + np.array([6.0, 0.0])
    assert geometry.normalized_mean_error(moved, face98) == pytest.approx([0.1], rel=2e-3)


def test_nme_over_the_box_divides_by_its_geometric_mean(face98):
    width, height = face98[0].max(axis=0) - face98[0].min(axis=0)
    error = geometry.normalized_mean_error(face98 + [3.0, 4.0], face98, normaliser="box")
    assert error == pytest.approx([5 / np.sqrt(width * height)], rel=1e-5)


def test_nme_refuses_an_unknown_normaliser(face98):
    with pytest.raises(ValueError, match="'pupil'; choose inter_ocular, inter_pupil or box"):
        geometry.normalized_mean_error(face98, face98, normaliser="pupil")


@pytest.mark.parametrize("angles", [(20, 0, 0), (0, 15, 0), (0, 0, 10), (25, -12, 7), (-40, 20, -5)])
def test_head_pose_of_a_turned_mean_face_is_the_turn(angles):
    template = template_of(WFLW98)
    rotation = geometry.rotation_matrix(*angles)
    turned = (80 * template @ rotation.T + [300, 200, 10])[None]
    found, canonical = geometry.head_pose(turned, template, WFLW98.rigid)
    assert found[0] == pytest.approx(angles, abs=1e-3)
    assert canonical[0] == pytest.approx(template[:, :2], abs=1e-5)


def test_signs_of_the_angles_are_right_up_and_clockwise():
    nose = np.array([0, 0, -1])  # towards the camera
    assert (geometry.rotation_matrix(10, 0, 0) @ nose)[0] > 0
    assert (geometry.rotation_matrix(0, 10, 0) @ nose)[1] < 0
    right_ear = np.array([1, 0, 0])
    assert (geometry.rotation_matrix(0, 0, 10) @ right_ear)[1] > 0


def test_an_open_mouth_does_not_turn_the_head():
    template = template_of(WFLW98)
    speaking = template.copy()
    speaking[85:88, 1] += 0.2
    angles, _ = geometry.head_pose(speaking[None], template, WFLW98.rigid)
    assert angles[0] == pytest.approx([0, 0, 0], abs=1e-4)


def _attributes(canonical, scheme=WFLW98):
    angles = np.zeros((1, 3), np.float32)
    return {k: v[0] for k, v in geometry.attributes(canonical, canonical, angles, scheme).items()}


@pytest.mark.parametrize(
    ("name", "points", "shift"),
    [
        ("mouth_opening", (93, 94, 95), (0, 0.1)),
        ("brow_height", range(33, 51), (0, -0.1)),
        ("gaze_x", (96, 97), (0.1, 0)),
        ("gaze_y", (96, 97), (0, 0.1)),
    ],
)
def test_an_attribute_grows_by_what_its_points_move(name, points, shift):
    neutral = template_of(WFLW98)[None, :, :2].copy()
    moved = neutral.copy()
    moved[:, list(points)] += shift
    before, after = _attributes(neutral), _attributes(moved)
    assert after[name] - before[name] == pytest.approx(0.1, abs=1e-5)
    assert all(after[k] == pytest.approx(before[k], abs=1e-5) for k in before if k != name)


def test_closed_lids_have_no_opening_and_a_wide_raised_mouth_smiles():
    face = template_of(WFLW98)[None, :, :2].copy()
    for upper, lower in WFLW98.lids:
        face[:, upper] = face[:, lower]
    assert _attributes(face)["eye_opening"] == 0
    smiling = template_of(WFLW98)[None, :, :2].copy()
    smiling[:, 76] += (-0.1, -0.05)
    smiling[:, 82] += (0.1, -0.05)
    assert _attributes(smiling)["smile"] - _attributes(face)["smile"] == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("scheme", [WFLW98, IBUG68], ids=lambda scheme: scheme.name)
def test_a_wink_closes_the_eye_on_its_side_alone(scheme):
    face = template_of(scheme)[None, :, :2].copy()
    before = _attributes(face, scheme)
    for upper, lower in scheme.lids:
        if upper in scheme.left_eye:  # the eye with the smaller x
            face[:, upper] = face[:, lower]
    after = _attributes(face, scheme)
    assert after["left_eye_opening"] == 0 and after["right_eye_opening"] == before["right_eye_opening"]
    assert face[0, list(scheme.left_eye), 0].max() < face[0, list(scheme.right_eye), 0].min()
    both = (before["left_eye_opening"] + before["right_eye_opening"]) / 2
    assert before["eye_opening"] == pytest.approx(both, rel=0.01)  # eyes are about equally wide
    assert after["eye_opening"] == pytest.approx(before["eye_opening"] / 2, rel=0.01)


def test_68_points_have_no_gaze():
    face = template_of(IBUG68)[None, :, :2]
    measured = _attributes(face, IBUG68)
    assert np.isnan(measured["gaze_x"]) and np.isfinite(measured["mouth_opening"])
