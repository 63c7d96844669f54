import pytest
import torch

from d2a_core import pairs

MEAN = torch.zeros(4)


def _renorm(delta, offset, radius):
    return pairs.renorm(torch.tensor([[delta]]), torch.tensor([[offset]]), MEAN, radius=radius).item()


def test_renorm_stops_at_the_sphere():
    # from 3 along x, 8 more would reach 11: 2 of the 8 are allowed within radius 5
    assert _renorm([8.0, 0, 0, 0], [3.0, 0, 0, 0], 5) == pytest.approx(0.25)
    # sideways from 3, Pythagoras: 4 reaches radius 5
    assert _renorm([0, 8.0, 0, 0], [3.0, 0, 0, 0], 5) == pytest.approx(0.5)


def test_renorm_leaves_a_step_inside_the_ball_alone():
    assert _renorm([1.0, 0, 0, 0], [3.0, 0, 0, 0], 5) == 1


def test_a_source_outside_may_move_half_a_radius_sideways_and_inwards():
    assert _renorm([0, 10.0, 0, 0], [9.0, 0, 0, 0], 5) == pytest.approx(0.25)  # 2.5 of the 10
    assert _renorm([1.0, 0, 0, 0], [9.0, 0, 0, 0], 5) == pytest.approx((81 + 6.25) ** 0.5 - 9)
    assert _renorm([-4.0, 0, 0, 0], [9.0, 0, 0, 0], 5) == 1


def test_renorm_works_layer_by_layer():
    delta = torch.tensor([[[8.0, 0, 0, 0], [1.0, 0, 0, 0]]])
    offset = torch.tensor([[[3.0, 0, 0, 0], [3.0, 0, 0, 0]]])
    assert pairs.renorm(delta, offset, MEAN, radius=5)[0].tolist() == pytest.approx([0.25, 1])


def test_draws_stay_in_the_ball_follow_the_span_and_repeat_by_seed():
    rng = torch.Generator().manual_seed(1)
    vector = torch.randn(3, 2, 4, generator=rng) * 4
    wplus = torch.randn(50, 2, 4, generator=rng)
    draw = [
        pairs.draw(vector, wplus, MEAN, radius=3.0, rng=torch.Generator().manual_seed(7)) for _ in range(2)
    ]
    delta, weight = draw[0]
    assert torch.equal(delta, draw[1][0])
    assert (weight.abs() <= 1).all()
    allowed = (wplus.square().sum(dim=-1) + 1.5**2).sqrt().clamp(min=3.0)
    assert ((wplus + delta).norm(dim=-1) <= allowed + 1e-4).all()
    direction = torch.einsum("nm,mld->nld", weight, vector)
    cosine = torch.cosine_similarity(delta, direction, dim=-1)
    assert cosine[delta.norm(dim=-1) > 1e-3].min() > 0.999
