import torch

from d2a_core.directions.ball import Ball
from d2a_core.fan import pairs

BALL = Ball(torch.zeros(4), radius=3.0, reach=2.5)


def test_draws_stay_in_the_ball_follow_the_span_and_repeat_by_seed():
    rng = torch.Generator().manual_seed(1)
    vector = torch.randn(3, 2, 4, generator=rng) * 4
    wplus = torch.randn(50, 2, 4, generator=rng)
    delta, weight = pairs.draw(vector, wplus, BALL, torch.rand(50, 4, generator=rng))
    assert (weight.abs() <= 1).all()
    allowed = (wplus.square().sum(dim=-1) + 1.5**2).sqrt().clamp(min=3.0)
    assert ((wplus + delta).norm(dim=-1) <= allowed + 1e-4).all()
    assert delta.norm(dim=-1).max() <= 2.5 + 1e-4
    direction = torch.einsum("nm,mld->nld", weight, vector)
    cosine = torch.cosine_similarity(delta, direction, dim=-1)
    assert cosine[delta.norm(dim=-1) > 1e-3].min() > 0.999
