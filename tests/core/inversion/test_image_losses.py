import pytest
import torch
from smooth_images import smooth

from d2a_core.inversion import image_losses


def test_ssim_is_one_for_the_same_and_falls_with_noise():
    images = smooth(1, 64).clamp(-1, 1)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    values = [image_losses.structural_similarity(images, images + s * noise).item() for s in (0, 0.05, 0.3)]
    assert values[0] == pytest.approx(1, abs=1e-5) and values[0] > values[1] > values[2]
    assert image_losses.structural_similarity(images, -images) < values[2]


def test_ssim_of_two_flat_images_is_the_formula():
    a, b = torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), -0.25)
    expected = (2 * 0.75 * 0.375 + 0.0001) / (0.75**2 + 0.375**2 + 0.0001)
    assert image_losses.structural_similarity(a, b).item() == pytest.approx(expected, rel=1e-4)
