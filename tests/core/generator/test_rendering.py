import numpy as np
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


def test_one_frame_is_rendered_ahead_and_no_more():
    rendered = []

    def consult(moved, index):
        rendered.append(index)

    world = LinearWorld()
    wplus = torch.zeros(1, world.num_layers, world.w_dim)
    delta = torch.arange(5.0)[:, None, None].expand(-1, 1, world.w_dim) / 10
    frames = rendering.frames(world, wplus, delta, consult)
    first = next(frames)
    frames.close()
    assert rendered in ([0], [0, 1])
    whole = list(rendering.frames(world, wplus, delta, consult))
    assert len(whole) == 5 and np.array_equal(whole[0], first)
    alone = [rendering.render(world, rendering.apply(wplus, move))[0] for move in delta.split(1)]
    assert all(np.array_equal(one, other) for one, other in zip(whole, alone, strict=True))
