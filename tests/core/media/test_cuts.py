import numpy as np
import pytest

from d2a_core.media import cuts


def test_brightness_motion_and_noise_are_no_cut():
    portrait = pytest.importorskip("skimage.data").astronaut()
    rng = np.random.default_rng(0)
    start = cuts.thumbnail(portrait)
    for changed in (
        portrait // 2,
        np.roll(portrait, 12, axis=1),
        np.clip(portrait + rng.normal(0, 20, portrait.shape), 0, 255).astype(np.uint8),
    ):
        assert not cuts.is_cut(start, cuts.thumbnail(changed))
    flat = np.full((48, 64, 3), 7, np.uint8)
    assert not cuts.is_cut(cuts.thumbnail(flat), cuts.thumbnail(flat + 90))


def test_another_picture_is_a_cut():
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, (2, 6, 8, 3), dtype=np.uint8)
    one, other = (np.kron(picture, np.ones((20, 20, 1), np.uint8)) for picture in blocks)
    assert cuts.is_cut(cuts.thumbnail(one), cuts.thumbnail(other))
    assert cuts.is_cut(cuts.thumbnail(one), cuts.thumbnail(np.zeros_like(one)))
