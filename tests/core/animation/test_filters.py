from itertools import pairwise

import numpy as np
import pytest

from d2a_core.animation.filters import _forwards, fill_gaps, jitter, one_euro

PLAIN = {"min_cutoff_hz": 2.0, "beta": 0.0}  # a low-pass with a constant weight
WEIGHT = 1 / (1 + 25 / (2 * np.pi * 2.0))  # of a new value at 25 Hz
NAN = np.nan


def test_one_direction_is_the_published_filter():
    # first rows of groundTruth.csv in the authors' repository casiez/OneEuroFilter:
    # 120 Hz, minimum cut-off 1 Hz, beta 0.1, derivative cut-off 1 Hz
    noisy = [-0.0385099, -0.0280664, 0.048622, 0.111498, 0.053026, 0.120548, 0.00972308]
    filtered = [-0.0385099, -0.0379872, -0.0334427, -0.0252696, -0.0207099, -0.0119912, -0.0106507]
    np.testing.assert_allclose(_forwards(np.array(noisy), 120.0, 1.0, 0.1, 1.0), filtered, atol=1e-6)


def test_an_impulse_becomes_the_symmetric_exponential():
    values = np.zeros(201)
    values[100] = 1.0
    distance = np.abs(np.arange(201) - 100)
    expected = WEIGHT / 2 * (1 - WEIGHT) ** distance * (1 + (distance == 0))
    np.testing.assert_allclose(one_euro(values, 25.0, **PLAIN), expected, atol=1e-12)


def test_a_constant_stays_constant():
    values = np.full((7, 2, 3), 4.25)
    np.testing.assert_array_equal(one_euro(values, 25.0, min_cutoff_hz=1.0, beta=0.5), values)


@pytest.mark.parametrize("beta", [0.0, 0.7])
def test_a_ramp_has_no_lag(beta):
    ramp = 3.0 * np.arange(200) / 25
    smooth = one_euro(ramp, 25.0, min_cutoff_hz=2.0, beta=beta)
    np.testing.assert_allclose(smooth[60:-60], ramp[60:-60], atol=1e-6)
    late = _forwards(ramp, 25.0, 2.0, beta, 1.0)
    assert (ramp - late)[60:-60].min() > 0.03  # the filter of one direction does lag


def test_smoothing_a_reversed_clip_reverses_the_result():
    values = np.random.default_rng(0).normal(size=(40, 3)).cumsum(axis=0)
    options = {"min_cutoff_hz": 1.0, "beta": 0.3}
    backwards = one_euro(values[::-1], 25.0, **options)
    np.testing.assert_allclose(backwards[::-1], one_euro(values, 25.0, **options))


def test_noise_shrinks_by_the_factor_of_the_kernel():
    noise = np.random.default_rng(0).normal(size=(4000, 8))
    rest = 1 - WEIGHT
    factor = WEIGHT * np.sqrt(1 + rest**2 / (1 - rest**2) / 2)  # root of the sum of squared weights
    assert one_euro(noise, 25.0, **PLAIN).std() == pytest.approx(factor, rel=0.03)
    assert factor == pytest.approx(0.395, abs=0.001)


def test_a_step_is_reached_and_faster_with_beta():
    step = np.repeat([0.0, 1.0], 50)
    slow = one_euro(step, 25.0, min_cutoff_hz=1.0, beta=0.0)
    quick = one_euro(step, 25.0, min_cutoff_hz=1.0, beta=2.0)
    for smooth in (slow, quick):
        assert np.all(np.diff(smooth) >= 0) and smooth[49] + smooth[50] == pytest.approx(1.0)
        assert abs(smooth[5]) < 0.01 and abs(smooth[-5] - 1) < 0.01
    assert quick[52] > slow[52] + 0.05


def test_elements_do_not_touch_one_another():
    values = np.random.default_rng(0).normal(size=(30, 2, 3))
    options = {"min_cutoff_hz": 1.0, "beta": 0.3}
    alone = one_euro(values[:, 1, 2], 25.0, **options)
    np.testing.assert_array_equal(one_euro(values, 25.0, **options)[:, 1, 2], alone)


@pytest.mark.parametrize("frames", [0, 1])
def test_clips_too_short_to_smooth_come_back(frames):
    values = np.full((frames, 4), 2.0, dtype=np.float32)
    smooth = one_euro(values, 25.0, min_cutoff_hz=1.0, beta=0.1)
    np.testing.assert_array_equal(smooth, values)
    assert smooth.dtype == np.float64


@pytest.mark.parametrize(
    ("name", "number"),
    [("rate_hz", 0.0), ("min_cutoff_hz", -1.0), ("derivative_cutoff_hz", NAN), ("beta", -0.1)],
)
def test_a_number_out_of_range_is_named(name, number):
    options = {"rate_hz": 25.0, "min_cutoff_hz": 1.0, "beta": 0.0} | {name: number}
    with pytest.raises(ValueError, match=f"{name}={number} must"):
        one_euro(np.zeros(3), options.pop("rate_hz"), **options)


def test_a_gap_must_be_filled_before_smoothing():
    with pytest.raises(ValueError, match="fill the gaps first"):
        one_euro(np.array([0.0, NAN, 1.0]), 25.0, **PLAIN)


def test_gaps_are_straight_inside_and_held_at_the_ends():
    values = np.array([NAN, 1.0, NAN, NAN, 4.0, 9.0, NAN, NAN])
    found = np.isfinite(values)
    expected = [1.0, 1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0]
    np.testing.assert_allclose(fill_gaps(values, found), expected)
    stacked = np.stack([values, -values], axis=1)[:, None]
    filled = fill_gaps(stacked, found)
    np.testing.assert_allclose(filled, np.stack([expected, np.negative(expected)], 1)[:, None])
    assert np.isnan(stacked[0]).all()  # the input is left as it was


def test_what_an_unfound_row_holds_does_not_matter():
    values = np.array([[0.0], [1e9], [2.0]])
    np.testing.assert_array_equal(fill_gaps(values, [True, False, True]), [[0.0], [1.0], [2.0]])


def test_found_rows_come_back_unchanged():
    values = np.random.default_rng(0).normal(size=(9, 2))
    np.testing.assert_array_equal(fill_gaps(values, np.ones(9, dtype=bool)), values)


def test_no_face_at_all_is_one_sentence():
    with pytest.raises(ValueError, match="no face was found in any of 3 frames; choose a clip"):
        fill_gaps(np.zeros((3, 2)), np.zeros(3, dtype=bool))


def test_jitter_of_known_paths():
    time = np.arange(10.0)[:, None, None]
    steady = np.concatenate([3 * time, 4 * time], axis=2)
    bent = np.concatenate([3 * time**2, 4 * time**2], axis=2)  # second difference (6, 8)
    assert jitter(steady) == pytest.approx(0.0)
    assert jitter(bent) == pytest.approx(10.0)
    assert jitter(bent[:2]) == 0.0
    zigzag = np.where(np.arange(10) % 2, 1.0, -1.0)[:, None]
    assert jitter(zigzag) == pytest.approx(4.0)


def test_smoothing_takes_jitter_out_of_a_moving_point():
    rng = np.random.default_rng(0)
    path = np.sin(np.arange(100) / 25)[:, None, None] + rng.normal(scale=0.02, size=(100, 5, 2))
    kept = [jitter(one_euro(path, 25.0, min_cutoff_hz=f, beta=0.0)) for f in (8.0, 4.0, 2.0, 1.0)]
    assert all(low < high for high, low in pairwise([jitter(path), *kept]))
