import numpy as np
import pytest
from directions_of_faces import OPTIONS, made_faces

from d2a_core.directions import candidates, directions
from d2a_core.directions.candidates import Centroids


def test_regression_finds_a_linear_effect_and_ignores_missing_targets():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(400, 16))
    truth = rng.normal(size=(16, 2))
    targets = np.column_stack((w @ truth, np.full(400, np.nan)))
    model = directions.regress(w, targets)
    effect = model.effect(np.eye(16))
    assert effect[:, :2] == pytest.approx(truth, abs=0.05)
    assert (effect[:, 2] == 0).all()
    assert model.score[:2] == pytest.approx(1, abs=0.01)


def test_selection_keeps_the_stronger_of_two_alike_and_drops_the_weak():
    vector = np.array([[1.0, 0], [-2.0, 0.01], [0, 1.0], [1.0, 1.0]])
    kept, dropped = directions.select(
        vector, np.array([0.1, 0.2, 0.001, 0.15]), duplicate_cosine=0.95, min_displacement=0.01
    )
    assert kept.tolist() == [1, 3]  # 0 is 1 reversed, 2 is too weak
    assert dropped == {"insignificant": 1, "duplicate": 1}


def test_orientation_makes_the_strongest_attribute_grow():
    effect = np.array([[-4.0, 1.0], [3.0, -20.0]])
    sign = directions.orient(effect, np.array([1.0, 10.0]))
    assert sign.tolist() == [-1, 1]  # in standard deviations the second row is 3 and -2


def test_basis_moves_each_group_of_layers_alone_and_sums_to_the_directions():
    vector = np.random.default_rng(0).normal(size=(3, 8, 5)).astype(np.float32)
    split = directions.basis({"vector": vector, "layer_groups": np.array([4])})
    assert split.shape == (12, 8, 5)
    assert np.array_equal(split.reshape(4, 3, 8, 5).sum(axis=0), vector)
    moved = np.abs(split).sum(axis=2) > 0
    assert (moved.sum(axis=1) == 2).all() and moved[4].tolist() == [False, False, True, True] + [False] * 4
    with pytest.raises(ValueError, match="layer_groups is 3, which does not divide 8"):
        directions.basis({"vector": vector, "layer_groups": np.array([3])})


def test_steering_reaches_the_goal_with_independent_directions():
    effect = np.diag([20.0, 0.05, 1.0, 0.0])
    deviation = np.array([10.0, 0.1, 1.0, 0.0])  # degrees beside fractions, and an unknown attribute
    goal = np.array([[15.0, 0.0, 0.0, 0.0], [0.0, 0.1, -1.0, 0.0]])
    weights = directions.steer(np.eye(4), effect, deviation, goal, ridge=1e-9)
    assert weights @ effect == pytest.approx(goal, abs=1e-4)


def test_of_two_ways_to_the_same_effect_steering_takes_the_shorter():
    effect, vector = np.array([[1.0], [1.0]]), np.diag([1.0, 3.0])
    weights = directions.steer(vector, effect, np.ones(1), np.ones((1, 1)), ridge=1e-3)
    step = weights @ vector
    assert (weights @ effect).item() == pytest.approx(1, abs=0.01)
    assert np.linalg.norm(step) == pytest.approx(1 / np.sqrt(1 + 1 / 9), rel=0.02)  # Lagrange: |step| least


@pytest.fixture
def faces():
    return made_faces()


def test_distilled_directions_carry_their_measured_effect(faces):
    high, low = faces.w[:, 0] > 0, faces.w[:, 0] <= 0
    right, left = faces.w[:, 1] > 0, faces.w[:, 1] <= 0
    clusterings = (
        Centroids("mouth", np.stack([faces.w[low].mean(0), faces.w[high].mean(0)])),
        Centroids("all", np.stack([faces.w[left].mean(0), faces.w[right].mean(0)])),
    )
    proposed = [candidates.collect(clustering, ica_above=6, seed=0) for clustering in clusterings]
    found = directions.distil(proposed, faces, np.zeros(24, np.float32), OPTIONS)
    assert found.arrays["vector"].shape == (2, 8, 24)
    assert np.linalg.norm(found.arrays["vector"], axis=-1) == pytest.approx(3, abs=1e-4)
    by_part = {part: index for index, part in enumerate(found.columns["part"])}
    mouth, pose = by_part["mouth"], by_part["all"]
    assert found.columns["mouth_opening"][mouth] == pytest.approx(0.02 * 3, rel=0.1)
    assert found.columns["yaw"][pose] == pytest.approx(30, rel=0.1)
    assert abs(found.columns["yaw"][mouth]) < 5
    assert found.columns["norm"][mouth] == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.1)


def test_no_significant_direction_is_one_sentence(faces):
    still = candidates.collect(Centroids("all", np.zeros((2, 24), np.float32)), ica_above=6, seed=0)
    with pytest.raises(ValueError, match="lower directions.min_displacement"):
        directions.distil([still], faces, np.zeros(24, np.float32), OPTIONS)


def test_groups_follow_the_share_and_the_users_exceptions():
    rigid = np.array([0.9, 0.2, 0.6, 0.4])
    none = {"pose": [], "expression": []}
    assert directions.in_pose(rigid, 0.5, none).tolist() == [True, False, True, False]
    moved = {"pose": [3], "expression": [0]}
    assert directions.in_pose(rigid, 0.5, moved).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("regroup", "words"),
    [
        ({"pose": [4], "expression": []}, "names 4, but the directions are 0 to 3"),
        ({"pose": [1], "expression": [1]}, "puts 1 into both groups"),
    ],
)
def test_an_exception_that_makes_no_sense_is_one_sentence(regroup, words):
    with pytest.raises(ValueError, match=words):
        directions.in_pose(np.ones(4), 0.5, regroup)


def test_the_basis_of_a_group_has_its_directions_alone():
    store = {
        "vector": np.arange(3, dtype=np.float32)[:, None, None] * np.ones((3, 8, 5), np.float32),
        "layer_groups": np.array([1]),
        "pose": np.array([False, True, False]),
    }
    assert directions.basis(store, "pose")[:, 0, 0].tolist() == [1]
    assert directions.basis(store, "expression")[:, 0, 0].tolist() == [0, 2]
    with pytest.raises(ValueError, match="no direction is in the group pose"):
        directions.basis(store | {"pose": np.zeros(3, bool)}, "pose")
