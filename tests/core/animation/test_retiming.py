from fractions import Fraction

import numpy as np
import pytest

from d2a_core.animation.retiming import (
    LOOP_S,
    Times,
    at,
    even,
    in_between,
    steps,
    there_and_back,
    times,
    variation,
)

RATE = Fraction(25)
SAME = {"fps": None, "slow_motion": 1.0, "loop": False}


def _moments(frames, **options):
    return times(frames, RATE, **SAME | options)


@pytest.mark.parametrize(
    ("options", "frames", "rate"),
    [
        ({}, 50, 25),
        ({"fps": 60.0}, 120, 60),
        ({"slow_motion": 4.0}, 200, 25),
        ({"fps": 60.0, "slow_motion": 2.0}, 240, 60),
        ({"fps": 12.5}, 25, Fraction(25, 2)),
        ({"fps": 29.97}, 60, Fraction(2997, 100)),
    ],
)
def test_a_video_lasts_as_long_as_its_driver_times_the_slow_motion(options, frames, rate):
    times = _moments(50, **options)
    assert (len(times.time_s), times.rate, times.period_s) == (frames, rate, None)
    slow = options.get("slow_motion", 1.0)
    assert np.diff(times.time_s) == pytest.approx(1 / float(rate) / slow)
    assert times.time_s[0] == 0 and times.time_s[-1] < 2.0


def test_a_way_meets_its_knots_and_never_swings_beyond_its_neighbours():
    known_s = np.arange(20) / 25
    values = np.random.default_rng(0).normal(size=(20, 3, 4))
    values[7:10] = values[7]  # a plateau, over which a plain cubic spline would swing
    way = in_between(values, known_s, _moments(20, slow_motion=10.0))
    assert way.shape == (200, 3, 4)
    np.testing.assert_allclose(way[::10], values, atol=1e-6)
    low, high = np.minimum(values[:-1], values[1:]), np.maximum(values[:-1], values[1:])
    inside = way[:190].reshape(19, 10, 3, 4)
    assert (inside >= low[:, None] - 1e-6).all() and (inside <= high[:, None] + 1e-6).all()


def test_in_between_frames_lie_on_the_motion_and_not_on_the_polygon_through_its_frames():
    known_s, times = np.arange(20) / 25, _moments(20, fps=100.0)
    inside = times.time_s[:77]
    truth = np.sin(2 * np.pi * inside)
    smooth = in_between(np.sin(2 * np.pi * known_s), known_s, times)[:77]
    straight = np.interp(inside, known_s, np.sin(2 * np.pi * known_s))
    assert np.abs(smooth - truth).mean() < 0.3 * np.abs(straight - truth).mean()


def test_nothing_lies_between_two_shots():
    known_s, shot = np.arange(10) / 25, np.repeat([0, 1], 5)
    values = np.where(shot == 0, 0.1 * np.arange(10), 5 + 0.1 * np.arange(10))
    way = in_between(values, known_s, _moments(10, slow_motion=8.0), shot=shot)
    assert not ((way > 0.4 + 1e-6) & (way < 5.5 - 1e-6)).any()
    assert np.flatnonzero(np.diff(way) > 1).tolist() == [8 * 4 + 3]  # half way between frames 4 and 5


def test_a_shot_of_one_frame_stands_still():
    values, known_s, shot = np.array([1.0, 7.0, 2.0]), np.arange(3) / 25, np.arange(3)
    way = in_between(values, known_s, _moments(3, slow_motion=4.0), shot=shot)
    assert set(way.tolist()) == {1.0, 7.0, 2.0}


@pytest.mark.parametrize("shot", [None, np.repeat([0, 1], [12, 18])])
@pytest.mark.parametrize("options", [{}, {"fps": 60.0}, {"slow_motion": 3.0}])
def test_a_loop_goes_back_to_its_first_frame_without_a_jump(options, shot):
    known_s = np.arange(30) / 25
    values = np.stack((known_s, np.cos(5 * known_s)), axis=1)  # ends far from where it began
    times = _moments(30, loop=True, **options)
    way = in_between(values, known_s, times, shot=shot)
    assert times.period_s == pytest.approx(len(way) * times.time_s[1])
    back = times.time_s >= known_s[-1]
    assert LOOP_S * float(times.rate) - 1 <= back.sum() <= LOOP_S * float(times.rate) + 1
    moves = np.linalg.norm(np.diff(way, axis=0, append=way[:1]), axis=1)
    assert moves[-1] <= np.median(moves[back]) and moves[back].max() < 2.5 * moves[back].mean()
    assert np.abs(way[0] - values[0]).max() < 1e-6


def test_a_loop_of_one_frame_stands_still():
    times = _moments(1, loop=True)
    assert in_between(np.ones((1, 2)), np.zeros(1), times) == pytest.approx(np.ones((15, 2)))  # 0.6 s


def test_a_path_of_uneven_speed_gets_even_steps():
    position = np.linspace(0, 1, 41)
    way = np.stack((position**3, 2 * position**3), axis=1)[:, None]  # [41, 1 point, 2], fast at its end
    lengths = steps(way)
    assert variation(lengths) > 0.8
    wanted = even(position, lengths, 25)
    assert wanted[[0, -1]] == pytest.approx([0, 1])
    assert wanted == pytest.approx(np.linspace(0, 1, 25) ** (1 / 3), abs=0.03)
    assert variation(np.diff(wanted**3)) < 0.05


def test_a_way_that_rests_is_passed_quickly_and_one_that_never_moves_evenly():
    wanted = even(np.linspace(0, 1, 5), np.array([1.0, 0.0, 0.0, 1.0]), 5)
    assert wanted[1] < 0.3 and wanted[3] > 0.7 and (np.diff(wanted) > 0).all()
    assert even(np.linspace(0, 1, 5), np.zeros(4), 3) == pytest.approx([0, 0.5, 1])


def test_variation_is_deviation_over_mean():
    assert variation(np.array([1.0, 3.0])) == pytest.approx(0.5)
    assert variation(np.full(4, 0.2)) == pytest.approx(0) and variation(np.zeros(3)) == 0


def test_there_and_back_has_no_frame_twice_in_a_row():
    assert there_and_back(4).tolist() == [0, 1, 2, 3, 2, 1]
    assert there_and_back(2).tolist() == [0, 1]


def test_straight_reading_meets_its_rows_and_keeps_a_gap_to_itself():
    known_s, values = np.arange(5) / 60, np.array([0.0, 1.0, np.nan, 3.0, 4.0])
    assert at(values, known_s, np.array([0, 0.5 / 60, 1 / 60, 3 / 60, 9.0])).tolist() == [0, 0.5, 1, 3, 4]
    assert np.isnan(at(values, known_s, np.array([1.5 / 60, 2 / 60]))).all()


def test_the_clock_of_a_driver_is_kept_to_the_last_bit():
    known_s = np.arange(7) / 25
    values = np.random.default_rng(1).normal(size=(7, 2)).astype(np.float32)
    assert (in_between(values, known_s, Times(known_s, RATE)) == values).all()
