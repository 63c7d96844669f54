from dataclasses import replace

import numpy as np
import pyarrow
import pytest
from picture_world import FACES, OUTER, PAIRS, TEMPLATE, WORLD, judge, score, seen

from d2a_core.evaluation import figures, protocols, scores
from d2a_core.faces import dlib_landmarks
from d2a_core.faces.schemes import WFLW98


def test_nme_of_a_shifted_face_is_the_shift_by_every_normaliser():
    face = TEMPLATE[None] * 0.3 + 0.5
    errors = scores.landmark_errors(seen(face + [0.03, 0.04]), seen(face))
    box = np.sqrt(np.prod(np.ptp(face[0], axis=0)))
    pupils = np.linalg.norm(face[0, 96] - face[0, 97])
    for name in ("inter_ocular", *scores.PARTS):
        assert errors[f"nme_{name}"] == pytest.approx(0.05 / (0.3 * OUTER), rel=1e-4), name
    assert errors["nme_box"] == pytest.approx(0.05 / box, rel=1e-4)
    assert errors["nme_inter_pupil"] == pytest.approx(0.05 / pupils, rel=1e-4)
    assert errors["mouth_error"] == pytest.approx(0, abs=1e-5)
    assert errors["eye_error"] == pytest.approx(0, abs=1e-5)


def test_a_moved_part_is_the_error_of_that_part_alone():
    face = TEMPLATE[None].copy()
    moved = face.copy()
    moved[:, list(WFLW98.parts["mouth"]), 0] += 0.1 * OUTER
    errors = scores.landmark_errors(seen(moved), seen(face))
    assert errors["nme_mouth"] == pytest.approx(0.1, rel=1e-4)
    assert errors["nme_inter_ocular"] == pytest.approx(0.1 * 20 / 98, rel=1e-4)
    assert [errors[f"nme_{part}"].item() for part in ("contour", "brows", "eyes", "nose")] == [0, 0, 0, 0]


def test_turn_mouth_eyes_and_gaze_are_told_apart():
    face, changed = TEMPLATE[None].copy(), TEMPLATE[None].copy()
    changed[:, [93, 94, 95], 1] += 0.05
    changed[:, [96, 97], 0] += 0.02
    ours = seen(face, angles=(12, -3, 1), canonical=changed)
    errors = scores.landmark_errors(ours, seen(face, angles=(2, 1, 1)))
    assert errors["yaw_error"] == pytest.approx(10) and errors["pitch_error"] == pytest.approx(4)
    assert errors["roll_error"] == 0 and errors["eye_error"] == pytest.approx(0, abs=1e-6)
    assert errors["mouth_error"] == pytest.approx(0.05, abs=1e-5)
    assert errors["gaze_error"] == pytest.approx(0.02, abs=1e-5)


def test_pictures_that_are_missing_have_no_figures_and_other_sizes_are_scored():
    def some(pair):
        picture = FACES[pair.source_image]
        return {1: None, 2: picture.repeat(2, axis=0).repeat(2, axis=1)}.get(pair.number, picture)

    table = score(some)
    assert table["missing"].to_pylist() == [False, True, False, False]
    assert table["found"].to_pylist() == [True, False, True, True]
    assert np.isnan(table["csim"][1].as_py()) and table["csim"][2].as_py() == pytest.approx(1)


def test_methods_and_passes_stand_one_behind_the_other_with_the_step_errors_of_their_passes():
    def find(pair, passes):
        return WORLD.picture(1, passes)

    errors = {"pair": [PAIRS[2].number], "passes": [1], "step_error": [0.25]}
    table = judge().score(PAIRS, {"one": find, "two": find}, passes=[0, 1], steps=pyarrow.table(errors))
    assert table["method"].to_pylist() == ["one"] * 8 + ["two"] * 8
    assert table["passes"].to_pylist() == ([0] * 4 + [1] * 4) * 2
    assert np.flatnonzero(np.isfinite(table["step_error"])).tolist() == [6, 14]


def test_every_figure_of_a_pair_has_its_column():
    table = score(lambda pair: FACES[pair.target_image])
    assert {figure.key for figure in figures.SCORES} < set(table.column_names)


def test_the_second_detector_has_an_error_of_its_own():
    table = score(lambda pair: FACES[pair.source_image])  # no motion: the turn of the target is missing
    turns = 0.001 * np.array([FACES[pair.target_image][5, 5, 1] for pair in PAIRS])
    assert table["nme_inter_ocular"].to_numpy() == pytest.approx(turns / (0.3 * OUTER), rel=1e-3)
    assert table["nme_dlib"].to_numpy() == pytest.approx(1.5 * turns / (0.3 * OUTER), rel=1e-3)


def test_a_target_on_which_the_second_detector_is_astray_has_no_error_of_it():
    faces = np.tile(TEMPLATE * 0.3 + 0.5, (2, 1, 1))
    target = dlib_landmarks.as_68(faces) + np.array([0.05, 0.2])[:, None, None] * [0.3 * OUTER, 0]
    result = target + [0, 0.03 * OUTER]
    assert scores.second_errors(result, target, faces) == pytest.approx([0.1, np.nan], nan_ok=True)


def test_what_changes_beside_the_face_is_seen_there_alone():
    def some(pair):
        picture = FACES[pair.source_image].copy()
        if pair.number == PAIRS[0].number:
            picture[24:40, 24:40, 0] = 255  # on the face
        if pair.number == PAIRS[1].number:
            picture[..., 0] = np.maximum(picture[..., 0], 10)
        return picture

    table = score(some)
    assert table["psnr_outside"][0].as_py() == np.inf and table["ssim_outside"][0].as_py() == pytest.approx(1)
    error = 10**2 / 3  # of one channel of three; the pixel that is the person hardly counts
    assert table["psnr_outside"][1].as_py() == pytest.approx(10 * np.log10(255**2 / error), abs=0.1)


def test_only_self_driving_knows_the_picture_that_should_come_out():
    true = FACES[PAIRS[0].target_image]
    pairs = [PAIRS[0], replace(PAIRS[0], protocol=protocols.SELF)]
    table = judge().score(pairs, {"ours": lambda pair, passes: true}, passes=[0])
    assert np.isnan(table["psnr"][0].as_py()) and table["psnr"][1].as_py() == np.inf
    assert table["ms_ssim"][1].as_py() == pytest.approx(1)
