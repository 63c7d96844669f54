import numpy as np
import pytest

from d2a_core.faces import surroundings
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media import similarity

FACE = template_of(WFLW98)[:, :2] * 0.2 + 0.5  # about 0.35 wide


def _gray(level, side=128):
    return np.full((side, side, 3), level, np.uint8)


def test_a_change_on_the_face_is_none_and_one_beside_it_is_its_size():
    changed = _gray(100)
    changed[50:78, 50:78] = 200
    pair = surroundings.compared(changed, FACE, _gray(100), FACE)
    assert similarity.psnr_where(*pair) == np.inf
    brighter = surroundings.compared(_gray(105, side=64), FACE, _gray(100), FACE)
    assert similarity.psnr_where(*brighter) == pytest.approx(20 * np.log10(255 / 5))


def test_what_either_face_covers_does_not_count():
    one, two = (surroundings.compared(_gray(0), face, _gray(0), face)[2] for face in (FACE, FACE + 0.1))
    both = surroundings.compared(_gray(0), FACE, _gray(0), FACE + 0.1)[2]
    assert both.shape == (256, 256) and np.array_equal(both, one * two)


def test_a_face_that_was_not_found_makes_the_figure_nan():
    lost = surroundings.compared(_gray(0), np.full_like(FACE, np.nan), _gray(9), FACE)
    assert np.isnan(similarity.psnr_where(*lost))
