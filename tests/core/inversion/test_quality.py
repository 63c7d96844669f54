import numpy as np
import pytest
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from d2a_core.media import similarity

PHOTO = data.astronaut()[:256, :256]


def _flat(value):
    return np.full((256, 256, 3), value, np.uint8)


def test_psnr_of_a_constant_error_is_known_on_paper():
    assert similarity.psnr(_flat(110), _flat(100)) == pytest.approx(20 * np.log10(255 / 10))


def test_psnr_equals_an_independent_one_and_is_infinite_for_equal_pictures():
    noisy = (PHOTO.astype(int) + np.random.default_rng(0).integers(-20, 20, PHOTO.shape)).clip(0, 255)
    noisy = noisy.astype(np.uint8)
    assert similarity.psnr(noisy, PHOTO) == pytest.approx(peak_signal_noise_ratio(PHOTO, noisy))
    assert similarity.psnr(PHOTO, PHOTO) == float("inf")


def test_ms_ssim_of_flat_pictures_is_the_luminance_term_of_the_last_scale():
    a, b, c1 = 100.0, 150.0, (0.01 * 255) ** 2
    luminance = (2 * a * b + c1) / (a * a + b * b + c1)
    assert similarity.structural_similarity(_flat(100), _flat(150)) == pytest.approx(
        luminance**0.1333, abs=1e-4
    )


@pytest.mark.parametrize("side", [32, 64, 160])
def test_ms_ssim_of_small_pictures_is_that_of_enlarged_ones(side):
    photo, noise = PHOTO[:side, :side], np.random.default_rng(0).integers(-30, 30, (side, side, 3))
    noisy = (photo.astype(int) + noise).clip(0, 255).astype(np.uint8)
    assert similarity.structural_similarity(photo, photo) == pytest.approx(1)
    assert 0 < similarity.structural_similarity(noisy, photo) < 1


def test_ms_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    rng = np.random.default_rng(0)
    noisy = [(PHOTO + rng.normal(0, s, PHOTO.shape)).clip(0, 255).astype(np.uint8) for s in (10, 40)]
    assert similarity.structural_similarity(PHOTO, PHOTO) == pytest.approx(1)
    few, many = (similarity.structural_similarity(image, PHOTO) for image in noisy)
    assert 1 > few > many > 0
