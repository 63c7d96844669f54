import numpy as np
import pytest

from d2a_core.media import resampling

RED, GREEN, BLUE = (200, 30, 30), (20, 160, 40), (30, 40, 220)


def plain(colour, height=20, width=20):
    return np.full((height, width, 3), colour, dtype=np.uint8)


def test_resize_averages_the_area_when_smaller():
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 24, 3), dtype=np.uint8)
    means = images.reshape(2, 3, 4, 6, 4, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(resampling.resize(images, 6), means, atol=1)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((10, 20), 40, (20, 40)), ((20, 10), 5, (5, 2)), ((7, 7), 7, (7, 7)), ((1, 90), 9, (1, 9))],
)
def test_resize_makes_the_longer_side_the_size(shape, size, expected):
    assert resampling.resize(plain(RED, *shape)[None], size).shape == (1, *expected, 3)


def test_resize_to_the_same_size_changes_nothing():
    images = np.random.default_rng(0).integers(0, 256, (1, 9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resampling.resize(images, 9), images)
