import numpy as np
import pytest

from d2a_core.faces import dlib_landmarks, geometry
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98


@pytest.fixture(scope="module")
def second(assets):
    return dlib_landmarks.DlibLandmarks(assets / "dlib-face")


def test_both_detectors_see_nearly_the_same_face_on_a_photograph(second, detector, portrait):
    first = detector.detect(portrait[None]).points
    found = second.points(portrait[None], first)
    assert found.shape == (1, 68, 2) and found.dtype == np.float32
    assert geometry.normalized_mean_error(found, dlib_landmarks.as_68(first))[0] < 0.06


def test_the_points_hardly_go_along_with_where_the_search_starts(second, detector, portrait):
    first = detector.detect(portrait[None]).points
    shift = np.float32([0.05, 0.05]) * np.linalg.norm(first[0, 60] - first[0, 72])
    still, moved = (second.points(portrait[None], faces) for faces in (first, first + shift))
    assert np.linalg.norm((moved - still).mean(axis=1)) < 0.2 * np.linalg.norm(shift)


def test_the_points_go_along_with_the_picture(second, detector, portrait):
    shifted = np.roll(portrait, (20, 30), axis=(0, 1))
    first = detector.detect(portrait[None]).points
    by = np.float32([30 / 512, 20 / 512])
    found = second.points(np.stack((portrait, shifted)), np.concatenate((first, first + by)))
    assert found[1] - found[0] == pytest.approx(np.broadcast_to(by, (68, 2)), abs=2e-3)


def test_points_are_trusted_up_to_a_tenth_of_the_inter_ocular_distance():
    face = template_of(WFLW98)[None, :, :2]  # at inter-ocular distance 1
    ocular = np.linalg.norm(face[0, 60] - face[0, 72])
    faces = np.concatenate((face, face, np.full_like(face, np.nan)))
    second = dlib_landmarks.as_68(faces) + np.array([0.09, 0.11, 0])[:, None, None] * [ocular, 0]
    assert dlib_landmarks.trusted(second, faces).tolist() == [True, False, False]


def test_no_face_has_no_points(second):
    found = second.points(np.zeros((1, 64, 64, 3), np.uint8), np.full((1, 98, 2), np.nan))
    assert found.shape == (1, 68, 2) and np.isnan(found).all()


def test_the_square_has_its_size_and_rise():
    box = np.array([[10.0, 20.0], [50.0, 110.0]])  # √(40 · 90) = 60
    middle, half = np.array([30, 65 - 0.07 * 60]), 0.55 * 60
    assert dlib_landmarks.square(box) == pytest.approx([*(middle - half), *(middle + half)])


def test_points_of_wflw_stand_for_those_at_the_same_place():
    wflw, ibug = (template_of(scheme)[None, :, :2] for scheme in (WFLW98, IBUG68))
    assert np.array_equal(dlib_landmarks.as_68(wflw), ibug)
    assert np.array_equal(dlib_landmarks.as_68(ibug), ibug)
    chin = dlib_landmarks.as_68(np.arange(98 * 2).reshape(1, 98, 2))[0, 8]
    assert chin.tolist() == [32, 33]  # point 16 of WFLW


def test_a_folder_without_the_model_names_the_remedy(tmp_path):
    with pytest.raises(ValueError, match="run `d2a fetch dlib-face`"):
        dlib_landmarks.DlibLandmarks(tmp_path)
