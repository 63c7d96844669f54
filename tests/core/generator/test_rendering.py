import torch
from linear_world import LinearWorld

from d2a_core.generator import rendering


def test_frames_move_only_the_first_layers():
    wplus, delta = torch.zeros(1, 16, 512), torch.ones(3, 8, 512)
    moved = rendering.apply(wplus.expand(3, -1, -1), delta)
    assert (moved[:, :8] == 1).all() and (moved[:, 8:] == 0).all()
    assert len(list(rendering.frames(LinearWorld(), wplus, delta))) == 3


def test_float_images_become_bytes_by_clipping_and_rounding():
    image = torch.tensor([-2.0, -1.0, 0.0, 1.0]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert rendering.to_uint8(image)[0, :, :, 0].tolist() == [[0, 0], [128, 255]]
