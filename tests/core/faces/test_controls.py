import numpy as np
import pytest

from d2a_core.faces import controls, geometry
from d2a_core.faces.heads import lift
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98

FACE = (0.25 * template_of(WFLW98)[:, :2] + [0.5, 0.4])[None].astype(np.float32)
STRAIGHT = np.zeros((1, 3), np.float32)
FOUND = np.ones(1, bool)


def seen(points):
    """What a detector that errs nowhere says of a face."""
    heads = lift(points, WFLW98)
    angles = geometry.angles_of(heads.rotation)
    return Detections(points, FOUND.astype(np.float32), FOUND, angles, heads.shape[..., :2])


def came(**values):
    """How far a face has come that does what is asked."""
    moved = controls.asked(FACE, STRAIGHT, values)
    return {name: value[0] for name, value in controls.came(seen(FACE), seen(moved)).items()}


@pytest.mark.parametrize("control", controls.CONTROLS, ids=lambda control: control.name)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_what_is_asked_is_what_is_measured_when_a_face_does_it(control, share):
    for end in (control.low, control.high):
        found = came(**{control.name: share * end})
        near = 0.12 * abs(end) if control.unit == controls.DEGREES else 0.16 * abs(end)
        assert found[control.name] == pytest.approx(share * end, abs=near)


def test_one_eye_winks_and_the_other_stays():
    found = came(left_eye_closed=100)
    assert found["right_eye_closed"] == pytest.approx(0, abs=0.5)
    assert found["eyes_closed"] == pytest.approx(50, abs=5)


def test_closing_both_eyes_adds_to_closing_one_and_shuts_no_further():
    half = controls.asked(FACE, STRAIGHT, {"eyes_closed": 30, "left_eye_closed": 40})
    assert came(eyes_closed=30, left_eye_closed=40)["left_eye_closed"] == pytest.approx(70, abs=6)
    assert np.isfinite(half).all()
    shut = controls.asked(FACE, STRAIGHT, {"eyes_closed": 100})
    assert controls.asked(FACE, STRAIGHT, {"eyes_closed": 100, "left_eye_closed": 60}) == pytest.approx(shut)


def test_nothing_asked_is_the_face_to_the_bit():
    assert np.array_equal(controls.asked(FACE, STRAIGHT, {"yaw": 0.0, "smile": 0.0}), FACE)


def test_a_value_beyond_the_range_becomes_its_end_and_is_told():
    kept, notes = controls.clamped({"yaw": 400, "smile": 2}, WFLW98)
    assert kept == {"yaw": 30.0, "smile": 2.0}
    assert notes == ["yaw is 400 °, but it works from -30 to 30; 30 is used"]


def test_an_unknown_control_is_one_sentence_with_those_that_there_are():
    with pytest.raises(ValueError, match="there is no control 'wink'; choose one of yaw, pitch, mouth_open"):
        controls.clamped({"wink": 1}, WFLW98)


def test_a_scheme_without_pupils_has_no_gaze():
    assert {c.name for c in controls.CONTROLS} - {c.name for c in controls.of_scheme(IBUG68)} == {
        "gaze_x",
        "gaze_y",
    }
