import numpy as np
import pytest
import torch
from linear_world import GAIN, REST, LinearWorld, TimidFan

from d2a_core.directions.ball import Ball
from d2a_core.fan import closed_loop


def _ball(radius):
    return Ball(LinearWorld.mean_w, radius=radius, reach=radius)


def _drive(share, passes, radius=100.0, blind=()):
    world = LinearWorld(blind)
    animator = closed_loop.Animator(world, world, TimidFan(share), _ball(radius), size=8)
    wplus = torch.zeros(6, 16, 512)
    target = REST + GAIN * np.stack((np.linspace(-3, 3, 6), np.full(6, 1.0)), axis=1)[:, None].astype(
        np.float32
    )
    source = np.broadcast_to(REST, target.shape)
    return list(closed_loop.drive(animator, wplus, source, target, passes=passes)), target


def test_each_pass_closes_the_same_share_of_what_remains():
    paths, target = _drive(0.75, passes=2)
    wanted = (target - REST).mean(axis=1) / GAIN
    for number, path in enumerate(paths):
        reached = path.delta[:, 0, :2].numpy()
        assert reached == pytest.approx(wanted * (1 - 0.25 ** (number + 1)), abs=0.06)
    assert (np.diff(paths[-1].error.mean(axis=1)) < 0).all()


def test_a_pass_that_makes_it_worse_is_not_kept():
    paths, _ = _drive(2.5, passes=1)  # overshoots; the next pass would overshoot further
    assert torch.equal(paths[0].delta, paths[1].delta)
    assert (paths[1].error[1] == paths[1].error[0]).all()


def test_no_pass_leaves_the_trusted_radius():
    paths, _ = _drive(1.0, passes=2, radius=1.5)
    for path in paths:
        assert path.delta.norm(dim=-1).max() <= 1.5 + 1e-4


def test_a_frame_lost_in_the_first_look_flows_on():
    paths, _ = _drive(0.75, passes=1, blind={2})
    assert np.isinf(paths[-1].error[0, 2]) and np.isfinite(paths[-1].error[1]).all()
    assert torch.isfinite(paths[-1].delta).all()


def test_a_target_without_a_face_asks_for_no_motion():
    world = LinearWorld()
    animator = closed_loop.Animator(world, world, TimidFan(1.0), _ball(9.0), size=8)
    target = np.full((1, 98, 2), np.nan, np.float32)
    delta = closed_loop.step(animator, torch.zeros(1, 16, 512), torch.zeros(1, 8, 512), REST[None], target)
    assert (delta == 0).all()


class Listener(TimidFan):
    """Keeps the codes that it is told."""

    def __init__(self):
        super().__init__(0.5)
        self.told = []

    def forward(self, source, target, code):
        self.told.append(code)
        return super().forward(source, target, code)


def test_fan_is_told_the_code_of_the_source_in_every_pass():
    world, listener = LinearWorld(), Listener()
    animator = closed_loop.Animator(world, world, listener, _ball(100.0), size=8)
    wplus = torch.randn(3, 16, 512, generator=torch.Generator().manual_seed(0)) * 0.1
    source = np.broadcast_to(REST, (3, 98, 2))
    list(closed_loop.drive(animator, wplus, source, source + np.float32(GAIN), passes=2))
    assert len(listener.told) == 3
    assert all(torch.equal(code, wplus[:, 0]) for code in listener.told)
