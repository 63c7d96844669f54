from fractions import Fraction

import numpy as np
import pytest

from d2a_core.media.timestamps import nominal_rate, paced

NTSC = Fraction(30000, 1001)


def ticks(times, rate, lasts=0.0):
    return [count for _, count in paced([(time, lasts or 1 / rate, None) for time in times], Fraction(rate))]


def test_a_constant_rate_gives_every_frame_one_tick():
    for rate in (Fraction(25), NTSC, Fraction(24000, 1001)):
        exact = np.arange(500) / float(rate)
        for times in (exact, exact.round(3), np.floor(exact * 1000) / 1000):  # Matroska counts in ms
            assert ticks(times, rate) == [1] * 500


def test_a_missing_frame_is_made_up_by_its_neighbours():
    assert ticks([0, 0.1, 0.2, 0.4, 0.5], 10) == [1, 1, 2, 1, 1]
    assert ticks([0, 0.1, 0.5], 10) == [1, 2, 3]  # the middle of 0.1 and 0.5 is 0.3, nearer to none


def test_a_burst_keeps_the_nearest_to_each_tick():
    assert ticks([0, 0.02, 0.09, 0.13, 0.2], 10) == [1, 0, 1, 0, 1]


def test_ticks_add_up_to_the_length():
    rng = np.random.default_rng(0)
    for _ in range(50):
        times = np.concatenate(([0.0], np.cumsum(rng.exponential(0.04, 80))))
        assert abs(sum(ticks(times, 25)) - (times[-1] + 0.04) * 25) <= 1
        assert sum(ticks(times, 25, lasts=2.0)) == pytest.approx((times[-1] + 2) * 25, abs=1)


def test_stamps_that_run_backwards_do_not_lose_ticks():
    assert sum(ticks([0, 0.2, 0.1, 0.3], 10)) == 4


def test_one_picture_is_one_tick_at_least():
    assert ticks([0.0], 25, lasts=1e-6) == [1]


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(50), Fraction(60)])
def test_the_declared_rate_is_taken_when_the_stamps_agree(rate):
    times = (np.arange(40) / float(rate)).round(3)
    assert nominal_rate(times, [rate]) == rate


def test_a_rate_that_browsers_declare_is_not_believed():
    times = np.floor(np.arange(300) / 30 * 1000) / 1000
    assert nominal_rate(times, [Fraction(1000)]) == 30


def test_pauses_do_not_lower_the_rate():
    times = np.delete(np.arange(100) / 30, [*range(20, 35), 50, 51, 70])
    assert nominal_rate(times, [Fraction(26)]) == 30


def test_a_burst_does_not_multiply_the_clip():
    pairs = np.sort(np.concatenate((np.arange(50) / 10, np.arange(50) / 10 + 0.001)))
    pairs = np.sort(np.concatenate((pairs, np.arange(50) / 10 + 0.002)))  # most intervals are 1 ms
    assert nominal_rate(pairs, []) <= 61


def test_an_unusual_rate_is_measured():
    assert float(nominal_rate(np.arange(100) / 12.34, [])) == pytest.approx(12.34, rel=1e-4)


def test_a_single_picture_has_the_declared_rate_or_25_hz():
    assert nominal_rate(np.zeros(1), [Fraction(10)]) == 10
    assert nominal_rate(np.zeros(1), []) == 25
