import numpy as np
import pytest

from d2a_core.smoothing import fill_gaps, jitter, one_euro


def test_constant_and_single_frame_stay_as_they_are():
    assert one_euro(np.full((20, 2), 3.0), 25, min_cutoff_hz=1, beta=0) == pytest.approx(3.0)
    assert one_euro(np.array([[1.0, 2.0]]), 25, min_cutoff_hz=1, beta=0).tolist() == [[1.0, 2.0]]


def test_a_ramp_has_no_lag_in_its_middle():
    ramp = np.arange(101.0)
    assert one_euro(ramp, 25, min_cutoff_hz=2, beta=0)[50] == pytest.approx(50, abs=1e-6)


def test_noise_shrinks_to_the_gain_of_the_low_pass():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=20_000)
    share = 1 / (1 + 25 / (2 * np.pi * 1.0))  # weight of a new value at 1 Hz and 25 frames/s
    ahead = share / (2 - share)  # variance of an exponential mean of white noise
    middle = share**2  # the only noise both directions share is the frame itself
    expected = (2 * ahead + 2 * middle) / 4
    assert one_euro(noise, 25, min_cutoff_hz=1, beta=0).var() == pytest.approx(expected, rel=0.05)


def test_beta_lets_a_quick_step_through():
    step = np.repeat([0.0, 10.0], 25)
    slow = one_euro(step, 25, min_cutoff_hz=0.5, beta=0)
    quick = one_euro(step, 25, min_cutoff_hz=0.5, beta=1)
    assert abs(quick[28] - 10) < abs(slow[28] - 10) / 3


def test_gaps_are_bridged_and_ends_held():
    values = np.array([[np.nan], [2.0], [np.nan], [4.0], [np.nan]])
    found = np.array([False, True, False, True, False])
    assert fill_gaps(values, found)[:, 0].tolist() == [2, 2, 3, 4, 4]


def test_a_clip_without_a_face_is_refused():
    with pytest.raises(ValueError, match="no face was found in any of 3 frames"):
        fill_gaps(np.zeros((3, 1)), np.zeros(3, bool))


def test_jitter_of_steady_motion_is_zero_and_of_a_zigzag_four_times_its_height():
    steady = np.linspace(0, 1, 10)[:, None, None] * np.ones((1, 2, 2))
    assert jitter(steady) == pytest.approx(0, abs=1e-12)
    zigzag = np.zeros((10, 1, 2))
    zigzag[::2, 0, 0], zigzag[1::2, 0, 0] = 1, -1
    assert jitter(zigzag) == pytest.approx(4)
