import numpy as np
import pytest
import torch

from d2a_core.animation import performances
from d2a_core.faces.geometry import ATTRIBUTES

SCORES = pytest.mark.parametrize("played", [performances.POSE_SCORE, performances.FACE_SCORE])


@SCORES
def test_a_score_rests_at_both_ends_plays_its_moves_and_never_jumps(played):
    goal = performances.score(played, 101)
    assert (goal[0] == 0).all() and (goal[-1] == 0).all()
    moved = {name for name, column in zip(ATTRIBUTES, goal.T, strict=True) if np.abs(column).max() > 0.6}
    assert moved == set(played)
    assert np.abs(np.diff(goal, axis=0)).max() < 1.5


def test_a_performance_asks_for_its_goals_by_layer_and_stays_in_the_ball():
    count = len(ATTRIBUTES)
    store = {
        "vector": np.repeat(np.eye(count, 16, dtype=np.float32)[:, None], 8, axis=1),
        "effect": np.diag(np.arange(1.0, count + 1)).astype(np.float32),
        "deviation": np.arange(1.0, count + 1, dtype=np.float32),
        "mean_w": np.zeros(16, np.float32),
        "radius": np.array([9.0], np.float32),
        "reach": np.array([9.0], np.float32),
    }
    plan = performances.Performance(name="p", seed=0, truncation=1.0, seconds=4.0, fps=25)
    delta = performances.perform(store, torch.zeros(1, 16, 16), plan).numpy()
    assert delta.shape == (100, 8, 16)
    share = 1 / (1 + performances.STEER_RIDGE)  # of ridge regression on one unit direction
    for played, layer, other in ((performances.POSE_SCORE, 0, 7), (performances.FACE_SCORE, 7, 0)):
        wanted = performances.score(played, 100) * share
        for name in played:
            column = ATTRIBUTES.index(name)
            assert delta[:, layer, column] == pytest.approx(wanted[:, column], abs=1e-3)
            assert (delta[:, other, column] == 0).all()
    store["radius"] = np.array([0.5], np.float32)
    near = performances.perform(store, torch.zeros(1, 16, 16), plan)
    assert near.norm(dim=-1).max() == pytest.approx(0.5, abs=1e-4)
