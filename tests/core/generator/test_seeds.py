import numpy as np

from d2a_core.generator import seeds


def test_a_sample_draws_the_same_numbers_alone_and_among_others():
    many = seeds.normal("latents", 3, range(100), 8)
    np.testing.assert_array_equal(seeds.normal("latents", 3, [41], 8)[0], many[41])
    np.testing.assert_array_equal(seeds.normal("latents", 3, [41], 4)[0], many[41, :4])  # more come after


def test_streams_of_other_stages_seeds_and_ids_are_unrelated():
    keys = [("latents", 0), ("pairs", 0), ("latents", 1)]
    rows = np.concatenate([seeds.normal(stage, seed, range(40), 4000) for stage, seed in keys])
    correlation = np.corrcoef(rows) - np.eye(len(rows))
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)  # 7140 pairs: chance reaches 4.0


def test_numbers_have_their_distribution():
    normal, uniform = seeds.normal("a", 0, range(200), 500), seeds.uniform("a", 0, range(200), 500)
    assert normal.dtype == uniform.dtype == np.float32
    assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01
    assert uniform.min() >= 0 and uniform.max() < 1 and abs(uniform.mean() - 0.5) < 0.005
