import numpy as np
import pytest
import torch

from d2a_core.directions import ball

MEAN = torch.zeros(4)


def _shrink(delta, offset, radius, reach=100.0):
    found = ball.Ball(MEAN, radius=radius, reach=reach)
    return found.shrink(torch.tensor([[delta]]), torch.tensor([[offset]])).item()


def test_renorm_stops_at_the_sphere():
    # from 3 along x, 8 more would reach 11: 2 of the 8 are allowed within radius 5
    assert _shrink([8.0, 0, 0, 0], [3.0, 0, 0, 0], 5) == pytest.approx(0.25)
    # sideways from 3, Pythagoras: 4 reaches radius 5
    assert _shrink([0, 8.0, 0, 0], [3.0, 0, 0, 0], 5) == pytest.approx(0.5)


def test_renorm_leaves_a_step_inside_the_ball_alone():
    assert _shrink([1.0, 0, 0, 0], [3.0, 0, 0, 0], 5) == 1


def test_a_source_outside_may_move_half_a_radius_sideways_and_inwards():
    assert _shrink([0, 10.0, 0, 0], [9.0, 0, 0, 0], 5) == pytest.approx(0.25)  # 2.5 of the 10
    assert _shrink([1.0, 0, 0, 0], [9.0, 0, 0, 0], 5) == pytest.approx((81 + 6.25) ** 0.5 - 9)
    assert _shrink([-4.0, 0, 0, 0], [9.0, 0, 0, 0], 5) == 1


def test_renorm_works_layer_by_layer():
    delta = torch.tensor([[[8.0, 0, 0, 0], [1.0, 0, 0, 0]]])
    offset = torch.tensor([[[3.0, 0, 0, 0], [3.0, 0, 0, 0]]])
    found = ball.Ball(MEAN, radius=5, reach=100)
    assert found.shrink(delta, offset)[0].tolist() == pytest.approx([0.25, 1])
    assert found.renorm(delta, offset)[0, :, 0].tolist() == pytest.approx([2, 1])


def test_no_layer_steps_further_than_the_reach():
    assert _shrink([0, 0, 8.0, 0], [3.0, 0, 0, 0], 50, reach=2.0) == pytest.approx(0.25)
    assert _shrink([0, 0, 1.0, 0], [3.0, 0, 0, 0], 50, reach=2.0) == 1
    assert _shrink([0, 0, 0.0, 0], [3.0, 0, 0, 0], 50, reach=2.0) == 1  # no step, nothing to divide by


def test_the_ball_is_measured_on_the_samples_and_comes_back_from_its_store():
    w = np.zeros((101, 4), np.float32)
    w[:, 0] = np.arange(101) + 1
    mean = np.array([1, 0, 0, 0], np.float32)
    found = ball.from_store(ball.measure(w, mean, radius_quantile=0.95, reach=0.6))
    assert found.radius == pytest.approx(95) and found.reach == pytest.approx(57)
    assert found.mean_w.tolist() == [1, 0, 0, 0]
