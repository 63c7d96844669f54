import logging
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow
import pytest
import torch
from linear_world import GAIN, REST, LinearWorld, TimidFan

from d2a_core.animation import animations, comparison
from d2a_core.directions.ball import Ball
from d2a_core.fan import closed_loop
from d2a_core.generator import rendering
from d2a_core.media.video_reading import Frame
from d2a_core.store import tables

OPTIONS = animations.Options(
    motion="absolute", neutral_s=None, rest_lips="source", motion_scale=1.0, pose_scale=1.0,
    expression_scale=1.0, fan="all", passes=0, corrections=0, min_cutoff_hz=2.0, beta=0.05, fps=None,
    slow_motion=1.0, loop=False, crf=16,
)  # fmt: skip


def _ball(radius):
    return Ball(LinearWorld.mean_w, radius=radius, reach=radius)


def _drive(share, passes, radius=100.0, blind=()):
    world = LinearWorld(blind)
    animator = closed_loop.Animator(world, world, TimidFan(share), _ball(radius), size=8)
    wplus = torch.zeros(6, 16, 512)
    target = REST + GAIN * np.stack((np.linspace(-3, 3, 6), np.full(6, 1.0)), axis=1)[:, None].astype(
        np.float32
    )
    source = np.broadcast_to(REST, target.shape)
    return list(closed_loop.drive(animator, wplus, source, target, passes=passes)), target


def test_each_pass_closes_the_same_share_of_what_remains():
    paths, target = _drive(0.75, passes=2)
    wanted = (target - REST).mean(axis=1) / GAIN
    for number, path in enumerate(paths):
        reached = path.delta[:, 0, :2].numpy()
        assert reached == pytest.approx(wanted * (1 - 0.25 ** (number + 1)), abs=0.06)
    assert (np.diff(paths[-1].error.mean(axis=1)) < 0).all()


def test_a_pass_that_makes_it_worse_is_not_kept():
    paths, _ = _drive(2.5, passes=1)  # overshoots; the next pass would overshoot further
    assert torch.equal(paths[0].delta, paths[1].delta)
    assert (paths[1].error[1] == paths[1].error[0]).all()


def test_no_pass_leaves_the_trusted_radius():
    paths, _ = _drive(1.0, passes=2, radius=1.5)
    for path in paths:
        assert path.delta.norm(dim=-1).max() <= 1.5 + 1e-4


def test_a_frame_lost_in_the_first_look_flows_on():
    paths, _ = _drive(0.75, passes=1, blind={2})
    assert np.isinf(paths[-1].error[0, 2]) and np.isfinite(paths[-1].error[1]).all()
    assert torch.isfinite(paths[-1].delta).all()


def test_a_target_without_a_face_asks_for_no_motion():
    world = LinearWorld()
    animator = closed_loop.Animator(world, world, TimidFan(1.0), _ball(9.0), size=8)
    target = np.full((1, 98, 2), np.nan, np.float32)
    delta = closed_loop.step(animator, torch.zeros(1, 16, 512), torch.zeros(1, 8, 512), REST[None], target)
    assert (delta == 0).all()


def _table(points):
    still = {name: np.zeros(len(points), np.float32) for name in ("yaw", "pitch", "roll")}
    return pyarrow.table(
        {"time_s": np.arange(len(points)) / 25, "points": tables.points_column(points), **still}
    )


@pytest.mark.parametrize(("motion", "shape"), [("relative", "source"), ("absolute", "driver")])
def test_the_source_is_asked_for_its_own_shape_or_for_the_drivers(motion, shape):
    wider = (REST - [0.5, 0.4]) * [1.2, 1.0] + [0.5, 0.4]  # a driver with another face, shifting sideways
    driver = np.stack([wider + [0.02 * step, 0] for step in (0, 1, 2)]).astype(np.float32)
    options = replace(OPTIONS, motion=motion, neutral_s=0.04)
    asked = animations.asked(_table(REST[None]), _table(driver), options)
    resting = {"source": REST, "driver": wider}[shape]
    assert asked[1] == pytest.approx(resting + ([0.02, 0] if motion == "absolute" else [0, 0]), abs=2e-3)
    assert (asked[2] - asked[0]).mean(axis=0)[0] == pytest.approx(0.04, rel=0.25)


def test_frames_move_only_the_first_layers():
    wplus, delta = torch.zeros(1, 16, 512), torch.ones(3, 8, 512)
    moved = rendering.apply(wplus.expand(3, -1, -1), delta)
    assert (moved[:, :8] == 1).all() and (moved[:, 8:] == 0).all()
    assert len(list(rendering.frames(LinearWorld(), wplus, delta))) == 3


def test_sheet_keeps_evenly_spaced_moments():
    source = np.zeros((20, 20, 3), np.uint8)
    sheet = comparison.Sheet(source, frames=9, columns=3)
    for index in range(9):
        sheet.offer(index, index / 10, source + index, source + 2 * index)
    assert [time for time, _, _ in sheet.columns] == pytest.approx([0, 0.4, 0.8])
    assert sheet.draw().ndim == 3


def test_float_images_become_bytes_by_clipping_and_rounding():
    image = torch.tensor([-2.0, -1.0, 0.0, 1.0]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert rendering.to_uint8(image)[0, :, :, 0].tolist() == [[0, 0], [128, 255]]


def _landmarks(points, **columns):
    angles = {name: np.zeros(len(points), np.float32) for name in ("yaw", "pitch", "roll")}
    return pyarrow.table({"points": tables.points_column(points), **angles, **columns})


def test_a_long_clip_is_driven_in_parts_as_it_would_be_as_a_whole(monkeypatch):
    world, count = LinearWorld(), 50
    animator = closed_loop.Animator(world, world, TimidFan(0.75), _ball(100.0), size=8)
    sway = np.stack((np.sin(np.arange(count) / 5), np.zeros(count)), axis=1)[:, None]
    source = _landmarks(REST[None])
    driver = _landmarks((REST + GAIN * sway).astype(np.float32), time_s=np.arange(count) / 25)
    options = replace(OPTIONS, passes=1)

    def path(frames):
        monkeypatch.setattr(animations, "FRAMES", frames)
        code = np.zeros((1, 16, 512), np.float32)
        return animations.follow(
            animator, code, source, driver, options, rate_hz=25.0, log=logging.getLogger()
        )

    whole, parts = path(count), path(8)
    assert parts.delta.shape == (count, 8, 512) and parts.error.shape == (2, count)
    assert torch.allclose(parts.delta, whole.delta, atol=1e-5)
    assert np.allclose(parts.error, whole.error, atol=1e-5)
    driven = parts.delta[:, 0, 0].numpy()
    assert np.corrcoef(driven, sway[:, 0, 0])[0, 1] > 0.98 and np.ptp(driven) > 1


def _path(count):
    delta = torch.arange(count).float()[:, None, None].expand(-1, 8, 512).clone()
    target = np.stack([REST + 0.001 * step for step in range(count)]).astype(np.float32)
    error = np.zeros((2, count), np.float32)
    path = closed_loop.LatentPath(torch.zeros(1, 16, 512).expand(count, -1, -1), delta, error, target)
    return path, _table(target)


def test_a_path_is_left_as_it_is_unless_another_rate_is_asked_for():
    path, driver = _path(6)
    same, clock = animations.retimed(path, driver, OPTIONS, Fraction(25))
    assert same is path and (clock.time_s == driver["time_s"].to_numpy()).all() and clock.rate == 25


def test_codes_and_targets_of_a_slower_video_lie_in_between():
    path, driver = _path(6)
    slow, clock = animations.retimed(path, driver, replace(OPTIONS, slow_motion=4.0), Fraction(25))
    assert (clock.rate, len(clock.time_s)) == (25, 24) == (25, len(slow.delta))
    assert slow.delta[:21, 3, 7].numpy() == pytest.approx(np.arange(21) / 4, abs=1e-5)
    assert slow.target[:21, 0, 0] == pytest.approx(REST[0, 0] + 0.001 * np.arange(21) / 4, abs=1e-6)
    assert slow.wplus.shape == (24, 16, 512) and slow.error.shape == (2, 6)
    stored = {name: len(part) for name, part in animations.as_arrays(slow, clock).items()}
    assert stored == {"wplus": 1, "delta": 24, "target": 24, "time_s": 24, "error": 2}


def test_smoothing_keeps_a_cut():
    delta = np.repeat([0.0, 4.0], 20)[:, None, None].repeat(8, axis=1).astype(np.float32)
    animations.smooth_in_place(delta, 25.0, OPTIONS, shot=np.repeat([0, 1], 20))
    assert (delta[:20] == 0).all() and (delta[20:] == 4).all()


def test_the_driver_is_shown_at_the_nearest_moment():
    frames = [Frame(i, i / 25, np.full((2, 2, 3), i, np.uint8)) for i in range(3)]
    shown = [frame.index for frame in comparison.behind(iter(frames), np.arange(14) / 100)]
    assert shown == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2]
    assert [frame.index for frame in comparison.behind(iter(frames), np.array([0.0, 0.08]))] == [0, 2]
