import numpy as np
import pytest

from d2a_core.directions import attribute_slopes
from d2a_core.faces import geometry
from d2a_core.faces.geometry import rotation_matrix
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98

FACE = template_of(WFLW98)
YAW, SMILE = (geometry.ATTRIBUTES.index(name) for name in ("yaw", "smile"))
LAYERS, WIDTH = 4, 6


def store():
    """Two directions in two groups of layers; yaw and smile vary."""
    vector = np.zeros((2, LAYERS, WIDTH), np.float32)
    vector[0, :, 0] = vector[1, :, 1] = 1.0
    spread = np.zeros(len(geometry.ATTRIBUTES), np.float32)
    spread[[YAW, SMILE]] = 10.0, 0.1
    return {"vector": vector, "layer_groups": np.array([2]), "deviation": spread}


def drawn(count=200):
    """Steps that move the two groups of layers apart."""
    rng = np.random.default_rng(0)
    steps = np.zeros((count, LAYERS, WIDTH), np.float32)
    for group in (slice(0, 2), slice(2, 4)):
        steps[:, group, :2] = rng.uniform(-1, 1, (count, 1, 2))
    return steps


def test_the_slope_is_found_in_the_layers_that_an_attribute_lives_in():
    steps = drawn()
    change = np.zeros((len(steps), len(geometry.ATTRIBUTES)), np.float32)
    change[:, YAW] = 20 * steps[:, 0, 0]  # degrees, from the first group of layers
    change[:, SMILE] = 0.3 * steps[:, 2, 1]
    slope = attribute_slopes.learn(store(), steps, change)
    per_group = slope.reshape(len(slope), 2, 2, WIDTH).sum(axis=2)
    expected = np.zeros_like(per_group)
    expected[YAW, 0, 0], expected[SMILE, 1, 1] = 2.0, 3.0  # in deviations
    np.testing.assert_allclose(per_group, expected, atol=0.1)


def test_nothing_is_learnt_outside_the_span_of_the_directions():
    steps = drawn()
    change = np.zeros((len(steps), len(geometry.ATTRIBUTES)), np.float32)
    change[:, YAW] = steps[:, 0, 0]
    assert np.abs(attribute_slopes.learn(store(), steps, change)[..., 2:]).max() < 1e-6


def test_an_attribute_that_is_not_known_answers_to_nothing():
    steps = drawn()
    change = np.zeros((len(steps), len(geometry.ATTRIBUTES)), np.float32)
    change[:, YAW] = steps[:, 0, 0]
    change[:, SMILE] = np.nan
    slope = attribute_slopes.learn(store(), steps, change)
    assert np.abs(slope[YAW]).max() > 0 and not slope[SMILE].any()


def shard(turns):
    """Faces turned by `turns` [S, A] in degrees away from sources that look ahead."""

    def seen(yaw):
        return (0.25 * (FACE @ rotation_matrix(yaw, 0, 0).T)[:, :2] + 0.5).astype(np.float32)

    turns = np.asarray(turns, float)
    return {
        "delta": np.arange(turns.size, dtype=np.float32).reshape(*turns.shape, 1, 1),
        "points": np.stack([[seen(turn) for turn in row] for row in turns]),
        "found": np.ones(turns.shape, bool),
        "source_points": np.stack([seen(0.0)] * len(turns)),
    }


def test_a_change_is_that_from_the_own_source():
    one, other = shard([[5, -8]]), shard([[12, 3], [0, -4]])
    other["source_points"][1] = other["points"][0, 0]  # this source is turned by 12 degrees itself
    steps, change = attribute_slopes.changes([one, other])
    assert steps[:, 0, 0].tolist() == [0, 1, 0, 1, 2, 3]
    assert change[:, YAW] == pytest.approx([5, -8, 12, 3, -12, -16], abs=0.5)


def test_what_was_not_found_does_not_count():
    lost = shard([[5, -8], [3, 4], [6, 7]])
    lost["found"][0, 1] = False
    lost["source_points"][1] = np.nan
    lost["points"][2, 0] = np.nan
    steps, change = attribute_slopes.changes([lost])
    assert steps[:, 0, 0].tolist() == [0, 5]
    assert change[:, YAW] == pytest.approx([5, 7], abs=0.5)
