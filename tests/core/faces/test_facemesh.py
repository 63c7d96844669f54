"""Landmarks of FaceMesh on photographs, and how its mesh becomes WFLW's points."""

import numpy as np
import pytest
import torch

from d2a_core.faces import detectors, facemesh
from d2a_core.faces.geometry import normalized_mean_error
from d2a_core.faces.landmarks import Options
from d2a_core.faces.schemes import WFLW98


def test_a_photograph_has_its_face_where_it_is(detector, portrait):
    found = detector.detect(portrait[None])
    assert found.found.tolist() == [True] and found.score[0] > 0.9
    x, y = found.points[0].T
    assert 0.3 < x.min() and x.max() < 0.58 and 0.08 < y.min() and y.max() < 0.45  # her face
    assert x[60] < x[64] < x[68] < x[72]  # eye corners from left to right
    assert y.argmax() == 16  # the chin is lowest
    assert x[33] == x[33:51].min() and x[46] == x[33:51].max()  # brow tips
    assert y[[96, 97]].max() < y[54] < y[[76, 82]].min()  # eyes, nose, mouth


def test_a_mirrored_photograph_has_mirrored_points(detector, portrait):
    plain = detector.detect(portrait[None]).points
    mirrored = detector.detect(np.ascontiguousarray(portrait[None, :, ::-1])).points
    back = mirrored[:, list(WFLW98.mirror)] * [-1, 1] + [1, 0]
    assert normalized_mean_error(back, plain)[0] < 0.015


def test_a_tilted_photograph_is_tilted_by_its_angle(detector, portrait):
    from skimage.transform import rotate

    centre = (225, 115)  # of her face
    tilted = (rotate(portrait, -15, center=centre) * 255).astype(np.uint8)  # clockwise
    plain, turned = (detector.detect(image[None]).angles[0] for image in (portrait, tilted))
    assert turned[2] - plain[2] == pytest.approx(15, abs=2)
    assert abs(turned[0] - plain[0]) < 4


def test_a_small_face_in_a_wide_image_is_found_at_its_place(detector, portrait):
    wide = np.full((400, 900, 3), 90, np.uint8)
    small = portrait[:256, 96:352][::2, ::2]
    wide[200:328, 600:728] = small
    points = detector.detect(wide[None]).points[0] * [900, 400]
    expected = detector.detect(portrait[None]).points[0] * 512
    expected = (expected - [96, 0]) / 2 + [600, 200]
    ocular = np.linalg.norm(expected[60] - expected[72])
    assert np.linalg.norm(points - expected, axis=1).mean() / ocular < 0.05


@pytest.mark.parametrize("box", ["ffhq", "detect"])
@pytest.mark.parametrize("kind", ["grey", "noise"])
def test_an_image_without_a_face_is_not_found(assets, box, kind):
    options = Options(detector="facemesh", min_score=0.5, box=box, weights=None)
    detector = detectors.load_detector(options, assets / "mediapipe-face", device="cpu", threads=1)
    noise = np.random.default_rng(0).integers(0, 256, (1, 200, 320, 3)).astype(np.uint8)
    seen = detector.detect(np.full_like(noise, 128) if kind == "grey" else noise)
    assert seen.found.tolist() == [False]
    assert np.isnan(seen.points).all() and np.isnan(seen.angles).all()


def test_resampling_an_arc_gives_equal_steps_and_keeps_its_ends():
    line = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 3, 0]]])
    points = facemesh.resample(line, 5)[0]
    assert points[:, :2].tolist() == [[0, 0], [1, 0], [1, 1], [1, 2], [1, 3]]


def test_mapping_has_98_points_and_mirrors_with_the_mesh():
    assert 33 + len(facemesh.VERTICES) + 2 == WFLW98.size
    assert len(set(facemesh.VERTICES)) == len(facemesh.VERTICES)
    assert len(facemesh.LEFT_JAW) == len(facemesh.RIGHT_JAW)
