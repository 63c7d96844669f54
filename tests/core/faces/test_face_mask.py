import numpy as np
import pytest

from d2a_core.faces import face_mask
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98

SCHEMES = pytest.mark.parametrize("scheme", [WFLW98, IBUG68], ids=lambda scheme: scheme.name)


def _square(scheme, brow_y=0.5):
    """All points in the middle but four corners of a square of side 0.4, and the brows."""
    points = np.full((1, scheme.size, 2), 0.5)
    jaw = scheme.parts["contour"]
    for index, corner in zip(jaw, ((0.3, 0.3), (0.3, 0.7), (0.7, 0.7), (0.7, 0.3)), strict=False):
        points[0, index] = corner
    points[0, list(scheme.parts["brows"]), 1] = brow_y
    return points


@SCHEMES
def test_the_mask_of_a_square_is_a_square_larger_by_the_growth(scheme):
    mask = face_mask.outside(_square(scheme), 100)
    expected = np.ones((1, 100, 100), np.float32)
    expected[:, 27:73, 27:73] = 0  # 0.5 ± 0.2 · 1.15
    assert mask.dtype == np.float32 and np.array_equal(mask, expected)


@SCHEMES
def test_the_forehead_is_a_gable_above_the_brows(scheme):
    mask = face_mask.outside(_square(scheme, brow_y=0.3), 500)[0]  # brows 0.2 above the nose: gable of 0.12
    assert (1 - mask).mean() == pytest.approx((0.4**2 + 0.4 * 0.12 / 2) * 1.15**2, rel=0.01)
    centre = (0.16 * 0.5 + 0.024 * (0.3 - 0.04)) / 0.184  # of area: square, and a triangle by a third
    peak = np.argmin(mask[:, 250])  # first row of the face
    assert peak / 500 == pytest.approx(centre - 1.15 * (centre - 0.18), abs=0.006)


@SCHEMES
def test_the_mask_turns_with_the_face(scheme):
    points = template_of(scheme)[None, :, :2] * 0.2 + 0.5
    quarter = np.stack((1 - points[..., 1], points[..., 0]), axis=2)
    upright, turned = face_mask.outside(np.concatenate((points, quarter)), 64)
    assert np.abs(np.rot90(upright, -1) - turned).mean() < 1e-3


def test_both_schemes_make_nearly_the_same_mask_of_one_face():
    masks = [face_mask.outside(template_of(s)[None, :, :2] * 0.2 + 0.5, 128) for s in (WFLW98, IBUG68)]
    assert np.abs(masks[0] - masks[1]).mean() < 0.01


def test_blur_softens_the_edge_and_keeps_its_middle():
    sharp, soft = (face_mask.outside(_square(IBUG68), 100, blur=blur)[0] for blur in (0, 2))
    assert set(np.unique(sharp)) == {0, 1} and 0 < soft[50, 27] < soft[50, 26] < 1
    assert soft[50, 26:28].mean() == pytest.approx(0.5, abs=0.01)  # the edge lies between them
    assert soft[50, 50] == pytest.approx(0, abs=1e-6) and soft[0, 0] == 1


def test_a_face_that_was_not_found_has_no_mask():
    points = np.concatenate((_square(WFLW98), np.full((1, 98, 2), np.nan)))
    masks = face_mask.outside(points, 16)
    assert np.isfinite(masks[0]).all() and np.isnan(masks[1]).all()
