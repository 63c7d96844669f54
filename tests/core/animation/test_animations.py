import logging
from dataclasses import replace
from fractions import Fraction

import image_world
import numpy as np
import pyarrow
import pytest
import torch
from linear_world import GAIN, REST, LinearWorld, TimidFan

from d2a_core.animation import animations
from d2a_core.directions.ball import Ball
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.fan import closed_loop
from d2a_core.store import tables

OPTIONS = animations.Options(
    motion="absolute", neutral_s=None, rest_lips="source", motion_scale=1.0, pose_scale=1.0,
    expression_scale=1.0, fan="all", poses=3, refinements=0, min_cutoff_hz=2.0, beta=20.0,
    fps=None, slow_motion=1.0, loop=False, surroundings="photo", crf=16,
)  # fmt: skip


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


def _landmarks(points, **columns):
    angles = {name: np.zeros(len(points), np.float32) for name in ("yaw", "pitch", "roll")}
    return pyarrow.table({"points": tables.points_column(points), **angles, **columns})


def test_a_long_clip_is_driven_in_parts_as_it_would_be_as_a_whole(monkeypatch):
    world, count = LinearWorld(), 50
    animator = closed_loop.Animator(
        world, world, TimidFan(0.75), Ball(LinearWorld.mean_w, radius=100.0, reach=100.0), size=8
    )
    sway = np.stack((np.sin(np.arange(count) / 5), np.zeros(count)), axis=1)[:, None]
    source = _landmarks(REST[None])
    driver = _landmarks((REST + GAIN * sway).astype(np.float32), time_s=np.arange(count) / 25)

    def path(frames):
        monkeypatch.setattr(closed_loop, "FRAMES", frames)
        code = np.zeros((1, 16, 512), np.float32)
        return animations.follow(
            animator, code, source, driver, OPTIONS, rate_hz=25.0, log=logging.getLogger()
        )

    whole, parts = path(count), path(8)
    assert parts.delta.shape == (count, 8, 512)
    assert torch.allclose(parts.delta, whole.delta, atol=1e-5)
    driven = parts.delta[:, 0, 0].numpy()
    assert np.corrcoef(driven, sway[:, 0, 0])[0, 1] > 0.98 and np.ptp(driven) > 1


def _path(count):
    delta = torch.arange(count).float()[:, None, None].expand(-1, 8, 512).clone()
    target = np.stack([REST + 0.001 * step for step in range(count)]).astype(np.float32)
    error = np.zeros((0, count), np.float32)
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
    assert slow.wplus.shape == (24, 16, 512)
    stored = {name: len(part) for name, part in animations.as_arrays(slow, clock).items()}
    assert stored == {"wplus": 1, "delta": 24, "target": 24, "time_s": 24}


FACE = template_of(WFLW98)[:, :2].astype(np.float32)
UPPER_LIDS, LOWER_LIDS = map(list, zip(*WFLW98.lids, strict=True))


def test_calming_keeps_a_cut():
    clip = np.concatenate((FACE[None].repeat(20, axis=0), 1 + FACE[None].repeat(20, axis=0)))
    calm = animations.calmed(clip, 25.0, OPTIONS, shot=np.repeat([0, 1], 20))
    np.testing.assert_allclose(calm, clip, atol=1e-6)


def test_calming_takes_out_tremor_and_leaves_a_blink():
    clip, blink = FACE[None].repeat(60, axis=0), np.interp(np.arange(60), [27, 30, 33], [0, 1, 0])
    shut = clip[:, LOWER_LIDS, 1] - clip[:, UPPER_LIDS, 1]
    clip[:, UPPER_LIDS, 1] += blink[:, None] * shut
    tremor = np.random.default_rng(0).normal(scale=0.002, size=clip.shape).astype(np.float32)
    calm = animations.calmed(clip + tremor, 25.0, OPTIONS, shot=np.zeros(60, int))
    gap = (calm[:, LOWER_LIDS, 1] - calm[:, UPPER_LIDS, 1]).mean(axis=1)
    assert gap[30] < 0.25 * shut[0].mean() and gap[24] > 0.9 * shut[0].mean()
    assert (calm - clip)[10:20].std() < 0.6 * tremor[10:20].std()


def _refined(refinements, shots=(0, 0, 0), loss=True):
    """Distances [T] in units of w from a driver that stands still after FAN and so many gradient steps."""
    world = image_world.ImageWorld()
    animator = closed_loop.Animator(
        world,
        world,
        image_world.ShareOfTheWay(0.25),
        image_world.BALL,
        size=image_world.SIZE,
        loss=image_world.loss_of(image_world.weights(landmarks=1.0)) if loss else None,
    )
    rest = image_world.REST.numpy()
    goal = (rest + GAIN * np.float32([0.8, -0.6]))[None].repeat(len(shots), axis=0)
    path = animations.follow(
        animator,
        np.zeros((1, 10, image_world.WIDTH), np.float32),
        _landmarks(rest[None]),
        _landmarks(goal, time_s=np.arange(len(shots)) / 25, shot=np.array(shots)),
        replace(OPTIONS, refinements=refinements),
        rate_hz=25.0,
        log=logging.getLogger("d2a.test"),
    )
    assert path.target == pytest.approx(goal, abs=1e-4)
    moved = path.wplus.expand(len(shots), -1, -1).clone()
    moved[:, : image_world.LAYERS] += path.delta
    return np.linalg.norm(image_world.seen(moved).numpy() - goal, axis=2).mean(axis=1) / GAIN


def test_gradient_steps_lead_frames_nearer_to_what_is_asked_than_fan_does():
    plain, refined = _refined(0), _refined(8)
    assert plain == pytest.approx(0.75, abs=0.02)  # FAN goes a quarter of a way that is 1 long
    assert (refined < 0.5 * plain).all() and (refined[1:] <= refined[:-1] + 0.02).all()


def test_the_log_counts_the_gradient_steps_of_a_clip_with_a_cut(caplog):
    with caplog.at_level(logging.INFO, "d2a.test"):
        _refined(1, shots=(0, 0, 1, 1))
    assert "steps=5/5" in caplog.text  # four frames, and the one pose of a driver that stands still


def test_gradient_steps_without_a_loss_to_follow_are_one_sentence():
    with pytest.raises(ValueError, match="gradient steps follow a loss; give its weights and the id"):
        _refined(1, loss=False)
