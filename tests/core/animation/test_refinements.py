import logging

import image_world
import numpy as np
import pytest
import torch
from image_world import BALL, GAIN, REST, faces, loss_of, step, weights

from d2a_core.animation import refinements
from d2a_core.directions.ball import Ball
from d2a_core.fan.refinement import Refinement
from d2a_core.runtime import Progress

HERE = torch.zeros(1, 10, image_world.WIDTH)  # the code of a face at rest
LANDMARKS = weights(landmarks=1.0)
GOAL = REST[None] + GAIN * torch.tensor([0.6, -0.4])


@pytest.fixture(autouse=True, scope="module")
def _a_single_thread():
    """What is this small is quickest on one, above all where the other processors are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _every_frame_as_it_is(monkeypatch):
    """What a frame takes from its neighbours has tests of its own."""
    monkeypatch.setattr(refinements, "EVERY", 1)
    monkeypatch.setattr(refinements, "SMOOTHING", 1e-6)


def miss(delta, goal):
    """Distance [N] of the faces at rest, moved by `delta`, from their goals, in units of w."""
    moved = HERE.repeat(len(delta), 1, 1)
    moved[:, :8] += delta
    return (image_world.seen(moved) - goal).norm(dim=-1).mean(dim=1) / GAIN


def along(goal, shot, steps=3, delta=None, ball=BALL, **options):
    """Δw of a clip that starts from nothing."""
    loss, delta = loss_of(LANDMARKS), step().repeat(len(goal), 1, 1) if delta is None else delta.clone()
    face = faces(loss, HERE)
    refinements.refine_in_place(
        loss, ball, lambda index: face, HERE, delta, goal, steps=steps, shot=np.array(shot), **options
    )
    return delta


def alone(steps, delta=None):
    loss = loss_of(LANDMARKS)
    start = step() if delta is None else delta
    return Refinement(loss, BALL, faces(loss, HERE), start, GOAL).take(steps)


def test_a_frame_goes_on_from_the_one_before_and_ends_nearer_with_the_same_steps(monkeypatch):
    monkeypatch.setattr(refinements, "FIRST", 1)
    still = GOAL.repeat(4, 1, 1)
    found = along(still, [0, 0, 0, 0])
    missed = miss(found, still)
    assert (missed[1:] < missed[:-1]).all()
    torch.testing.assert_close(found[:1], alone(3))


def test_the_first_frame_of_a_shot_has_more_steps_to_come_as_far():
    found = along(GOAL.repeat(2, 1, 1), [0, 0])
    torch.testing.assert_close(found[:1], alone(3 * refinements.FIRST))


def test_a_cut_starts_anew():
    clip = torch.cat((GOAL, GOAL, REST[None], REST[None]))
    second = along(clip[2:], [0, 0])
    torch.testing.assert_close(along(clip, [0, 0, 1, 1])[2:], second)
    assert not torch.allclose(along(clip, [0, 0, 0, 0])[2:], second, atol=1e-3)


def test_frames_keep_what_fan_gave_them_and_add_what_the_steps_did():
    given = torch.cat((step(), step(right=0.6, down=-0.4)))
    goal = torch.cat((REST[None], GOAL))  # each frame is there already
    assert miss(along(goal, [0, 0], steps=4, delta=given), goal).max() < 0.15


def test_a_frame_without_steps_gets_what_lies_between_its_neighbours(monkeypatch):
    monkeypatch.setattr(refinements, "EVERY", 2)
    found = along(GOAL.repeat(3, 1, 1), [0, 0, 0])
    torch.testing.assert_close(found[1], (found[0] + found[2]) / 2)


def test_what_the_steps_add_is_smooth_along_a_shot_and_not_across_a_cut(monkeypatch):
    clip, shot = torch.cat((GOAL, REST[None]) * 4), np.repeat([0, 1], 4)
    rough = along(clip, shot)
    monkeypatch.setattr(refinements, "SMOOTHING", 1.0)
    smooth = along(clip, shot)
    assert smooth[:4].diff(dim=0).norm() < 0.7 * rough[:4].diff(dim=0).norm()
    torch.testing.assert_close(smooth[4:], along(clip[4:], shot[4:]))


def test_a_smoothed_clip_stays_in_the_ball():
    ball = Ball(torch.zeros(image_world.WIDTH), radius=0.2, reach=0.2)
    assert along(GOAL.repeat(3, 1, 1), [0, 0, 0], steps=20, ball=ball).norm(dim=-1).max() <= 0.2 + 1e-4


@pytest.mark.parametrize(
    ("shot", "keys"),
    [([0] * 5, [1, 0, 1, 0, 1]), ([0] * 4, [1, 0, 1, 1]), ([0, 0, 0, 1, 1], [1, 0, 1, 1, 1]), ([3], [1])],
)
def test_every_second_frame_of_a_shot_takes_steps_and_its_ends_always_do(monkeypatch, shot, keys):
    monkeypatch.setattr(refinements, "EVERY", 2)
    assert refinements.key_frames(np.array(shot)).astype(int).tolist() == keys


@pytest.mark.parametrize(("shot", "steps", "count"), [([0, 0, 0], 2, 12), ([0, 0, 1], 3, 27), ([0], 1, 4)])
def test_progress_ends_at_the_count_of_steps(shot, steps, count):
    assert refinements.count(np.array(shot), steps) == count
    progress = Progress(logging.getLogger("test"), "animations", count, unit="steps")
    along(REST[None].repeat(len(shot), 1, 1), shot, steps=steps, progress=progress)
    assert progress.done == count
