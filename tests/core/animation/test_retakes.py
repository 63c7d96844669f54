import numpy as np
import pytest

from d2a_core.animation import retakes
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media.video_reading import Frame

FACE = (0.25 * template_of(WFLW98)[:, :2] + [0.5, 0.4]).astype(np.float32)


def scene():
    """Three noisy frames whose face lies in a quad, and the quads."""
    rng = np.random.default_rng(0)
    frames = [Frame(n, n / 25, rng.integers(0, 255, (240, 280, 3), dtype=np.uint8)) for n in range(3)]
    quad = np.array([[60, 40], [60, 168], [188, 168], [188, 40]], np.float64)
    return frames, np.repeat(quad[None], 3, axis=0)


def test_what_lies_beside_the_head_is_the_footage_itself():
    frames, quads = scene()
    picture = np.full((128, 128, 3), 128, np.uint8)
    points = np.repeat(FACE[None], 3, axis=0)
    retaken = list(retakes.retake(frames, quads, points, [picture] * 3, [(picture, FACE)] * 3))
    assert len(retaken) == 3
    for frame, image in zip(frames, retaken, strict=True):
        assert (image[:40] == frame.image[:40]).all() and (image[:, :60] == frame.image[:, :60]).all()
        assert image[100:110, 120:130].std() < 0.5 * frame.image[100:110, 120:130].std()


def test_the_light_of_the_footage_comes_back():
    frames, quads = scene()
    bright = [Frame(n, n / 25, np.full((240, 280, 3), 130, np.uint8)) for n in range(3)]
    shown, wanted = np.full((64, 64, 3), 100, np.uint8), np.full((128, 128, 3), 90, np.uint8)
    points = np.repeat(FACE[None], 3, axis=0)
    retaken = list(retakes.retake(bright, quads, points, [shown] * 3, [(wanted, FACE)] * 3))
    assert retaken[0][100:110, 120:130].mean() == pytest.approx(120, abs=2)


@pytest.mark.parametrize(("side", "size"), [(2000, 1024), (1024, 1024), (513, 1024), (512, 512), (90, 256)])
def test_a_small_face_is_put_together_small(side, size):
    quad = np.array([[0, 0], [0, side], [side, side], [side, 0]], np.float32)
    assert retakes.working_size(np.stack([0.5 * quad, quad]), 1024) == size
    assert retakes.working_size(quad[None], 64) == 64
