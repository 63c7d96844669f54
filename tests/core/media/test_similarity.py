import numpy as np
import pytest

from d2a_core.media import similarity


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(20, 200, (48, 64, 3), dtype=np.uint8)


def _left_half(value=1.0):
    weight = np.zeros((48, 64), np.float32)
    weight[:, :32] = value
    return weight


def test_psnr_where_it_counts_sees_nothing_else(picture):
    changed = picture.copy()
    changed[:, 32:] = 0
    assert similarity.psnr_where(changed, picture, _left_half()) == np.inf
    changed[:, :32] += 10  # an error of 10² = 100
    assert similarity.psnr_where(changed, picture, _left_half()) == pytest.approx(10 * np.log10(255**2 / 100))


def test_psnr_everywhere_is_psnr(picture):
    other = picture // 2
    everywhere = np.ones(picture.shape[:2])
    assert similarity.psnr_where(other, picture, everywhere) == pytest.approx(similarity.psnr(other, picture))


def test_ssim_is_that_of_scikit_image(picture):
    metrics = pytest.importorskip("skimage.metrics")
    other = (picture // 2 + np.linspace(0, 100, 64)[:, None]).astype(np.uint8)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    _, known = metrics.structural_similarity(picture, other, channel_axis=2, full=True, **settings)
    found = similarity.ssim_where(picture, other, _left_half())
    assert found == pytest.approx(known[:, :32].mean(), abs=1e-6)
    assert similarity.ssim_where(picture, picture, _left_half()) == pytest.approx(1)


@pytest.mark.parametrize("measure", [similarity.psnr_where, similarity.ssim_where])
@pytest.mark.parametrize("weight", [0.0, np.nan])
def test_nowhere_and_an_unknown_place_have_no_likeness(picture, measure, weight):
    assert np.isnan(measure(picture, picture, np.full((48, 64), weight)))
    assert np.isnan(measure(picture, picture // 2, np.full((48, 64), weight)))
