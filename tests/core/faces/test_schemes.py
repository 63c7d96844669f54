import numpy as np
import pytest

from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98, scheme_of

SCHEMES = pytest.mark.parametrize("scheme", [WFLW98, IBUG68], ids=lambda scheme: scheme.name)


@SCHEMES
def test_mirror_twice_is_the_identity(scheme):
    mirror = np.array(scheme.mirror)
    assert sorted(mirror) == list(range(scheme.size))
    assert (mirror[mirror] == np.arange(scheme.size)).all()


@SCHEMES
def test_parts_cover_every_point_once(scheme):
    parts = [index for name, part in scheme.parts.items() if name != "all" for index in part]
    assert sorted(parts) == list(range(scheme.size))


@SCHEMES
def test_mirror_swaps_left_and_right_of_each_part(scheme):
    for part in scheme.parts.values():
        assert {scheme.mirror[index] for index in part} == set(part)
    assert {scheme.mirror[i] for i in scheme.left_eye} == set(scheme.right_eye)
    assert {scheme.mirror[i] for i in scheme.left_brow} == set(scheme.right_brow)
    assert scheme.mirror[scheme.left_corners[0]] == scheme.right_corners[1]
    assert scheme.mirror[scheme.mouth_corners[0]] == scheme.mouth_corners[1]


@SCHEMES
def test_mean_face_is_symmetric_and_upright(scheme):
    face = template_of(scheme)
    mirrored = face[list(scheme.mirror)] * [-1, 1, 1]
    assert np.abs(mirrored - face).max() < 2e-3
    left, right = scheme.outer_eyes
    assert np.linalg.norm(face[left] - face[right]) == pytest.approx(1, abs=2e-3)
    chin = scheme.parts["contour"][len(scheme.parts["contour"]) // 2]
    assert face[:, 1].argmax() == chin  # y grows downwards
    assert face[:, 2].argmin() == scheme.nose_tip  # z grows away from the camera


@SCHEMES
def test_the_nose_ends_below_its_tip_in_the_middle_and_the_brows_run_above_the_eyes(scheme):
    face, brows = template_of(scheme), template_of(scheme)[list(scheme.upper_brows)]
    assert scheme.mirror[scheme.nose_base] == scheme.nose_base
    assert face[scheme.nose_base, 1] > face[scheme.nose_tip, 1]
    assert (np.diff(brows[:, 0]) > 0).all() and (brows[:, 1] < face[list(scheme.left_eye), 1].min()).all()


def test_68_points_are_a_subset_with_the_same_meaning():
    wide = template_of(WFLW98)[list(IBUG68.template)]
    assert np.array_equal(template_of(IBUG68), wide)
    assert [IBUG68.template[index] for index in IBUG68.left_corners] == list(WFLW98.left_corners)
    assert [IBUG68.template[index] for index in IBUG68.mouth_corners] == list(WFLW98.mouth_corners)


def test_unknown_number_of_points_is_refused():
    with pytest.raises(ValueError, match="5 points; 98"):
        scheme_of(5)
