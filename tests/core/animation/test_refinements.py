import logging
from dataclasses import replace

import image_world
import numpy as np
import pytest
import torch
from image_world import BALL, GAIN, REST, faces, loss_of, step, weights

from d2a_core.animation import refinements, step_counts
from d2a_core.animation.poses import Poses
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
    monkeypatch.setattr(step_counts, "EVERY", 1)
    monkeypatch.setattr(refinements, "SMOOTHING", 1e-6)
    monkeypatch.setattr(step_counts, "FRAME_SHARE", 1.0)


def miss(delta, goal):
    """Distance [N] of the faces at rest, moved by `delta`, from their goals, in units of w."""
    moved = HERE.repeat(len(delta), 1, 1)
    moved[:, :8] += delta
    return (image_world.seen(moved) - goal).norm(dim=-1).mean(dim=1) / GAIN


NO_POSES = Poses(torch.zeros(1, dtype=torch.int64), torch.zeros(1, 1))  # a frame's steps, from nothing


def along(goal, shot, steps=3, delta=None, ball=BALL, poses=None, **options):
    """Δw of a clip that starts from nothing, of whose poses nothing is spread unless they are given."""
    loss, delta = loss_of(LANDMARKS), step().repeat(len(goal), 1, 1) if delta is None else delta.clone()
    chosen = replace(NO_POSES, shares=torch.zeros(len(goal), 1)) if poses is None else poses
    face = faces(loss, HERE)
    refinements.refine_in_place(
        loss,
        ball,
        lambda rows: face[torch.zeros_like(rows)],
        HERE,
        delta,
        goal,
        poses=chosen,
        steps=steps,
        shot=np.array(shot),
        **options,
    )
    return delta


def alone(delta=None):
    loss = loss_of(LANDMARKS)
    start = step() if delta is None else delta
    return Refinement(loss, BALL, faces(loss, HERE), start, GOAL)


def test_a_frame_goes_on_from_the_one_before_and_ends_nearer_with_the_same_steps():
    still = GOAL.repeat(4, 1, 1)
    found = along(still, [0, 0, 0, 0])
    missed = miss(found, still)
    assert (missed[1:] < missed[:-1]).all()
    torch.testing.assert_close(found[:1], alone().take(3))


def test_what_a_pose_needed_serves_every_frame_that_is_like_it(monkeypatch):
    monkeypatch.setattr(refinements, "of_frame", lambda steps: 0)
    clip = torch.cat((REST[None], GOAL) * 3)
    shares = torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 3)
    found = along(clip, [0] * 6, steps=20, poses=Poses(torch.tensor([0, 1]), shares))
    torch.testing.assert_close(found[1::2], alone().settle(20).repeat(3, 1, 1))
    torch.testing.assert_close(found[3], found[5])
    assert miss(found, clip).max() < 0.2 < miss(step().repeat(6, 1, 1), clip)[1]


def test_a_frame_between_two_poses_gets_of_both(monkeypatch):
    monkeypatch.setattr(refinements, "of_frame", lambda steps: 0)
    poses = Poses(torch.tensor([0, 2]), torch.tensor([[1.0, 0.0], [0.25, 0.75], [0.0, 1.0]]))
    found = along(torch.cat((GOAL, GOAL, REST[None])), [0, 0, 0], steps=4, poses=poses)
    torch.testing.assert_close(found[1], 0.25 * found[0] + 0.75 * found[2])


def test_frames_take_a_sixth_of_the_steps_of_a_pose_and_one_at_least(monkeypatch):
    monkeypatch.setattr(step_counts, "FRAME_SHARE", 1 / 6)
    assert [step_counts.of_frame(steps) for steps in (0, 1, 6, 12, 24)] == [0, 1, 1, 2, 4]


def test_a_cut_starts_anew():
    clip = torch.cat((GOAL, GOAL, REST[None], REST[None]))
    second = along(clip[2:], [0, 0])
    torch.testing.assert_close(along(clip, [0, 0, 1, 1])[2:], second)
    assert not torch.allclose(along(clip, [0, 0, 0, 0])[2:], second, atol=1e-3)


def test_a_long_shot_is_taken_in_even_chains_that_do_not_know_of_one_another(monkeypatch):
    monkeypatch.setattr(refinements, "CHAIN", 3)
    found = refinements.chains(np.ones(6, bool), np.array([0, 0, 0, 0, 1, 1]))
    assert [chain.tolist() for chain in found] == [[0, 1], [2, 3], [4, 5]]
    clip = torch.cat((GOAL, GOAL, REST[None], REST[None]))
    torch.testing.assert_close(
        along(clip, [0] * 4), torch.cat((along(clip[:2], [0, 0]), along(clip[2:], [0, 0])))
    )


def test_frames_keep_what_fan_gave_them_and_add_what_the_steps_did():
    given = torch.cat((step(), step(right=0.6, down=-0.4)))
    goal = torch.cat((REST[None], GOAL))  # each frame is there already
    assert miss(along(goal, [0, 0], steps=4, delta=given), goal).max() < 0.15


def test_a_frame_without_steps_gets_what_lies_between_its_neighbours(monkeypatch):
    monkeypatch.setattr(step_counts, "EVERY", 2)
    found = along(GOAL.repeat(3, 1, 1), [0, 0, 0])
    torch.testing.assert_close(found[1], (found[0] + found[2]) / 2)


def test_what_the_steps_add_is_smooth_along_a_shot_and_not_across_a_cut(monkeypatch):
    clip, shot = torch.cat((GOAL, REST[None]) * 4), np.repeat([0, 1], 4)
    rough = along(clip, shot)
    monkeypatch.setattr(refinements, "SMOOTHING", 2.0)
    smooth = along(clip, shot)
    assert smooth[:4].diff(dim=0).norm() < 0.5 * rough[:4].diff(dim=0).norm()
    torch.testing.assert_close(smooth[4:], along(clip[4:], shot[4:]))


def test_a_smoothed_clip_stays_in_the_ball():
    ball = Ball(torch.zeros(image_world.WIDTH), radius=0.2, reach=0.2)
    assert along(GOAL.repeat(3, 1, 1), [0, 0, 0], steps=20, ball=ball).norm(dim=-1).max() <= 0.2 + 1e-4


@pytest.mark.parametrize(
    ("shot", "keys"),
    [([0] * 5, [1, 0, 1, 0, 1]), ([0] * 4, [1, 0, 1, 1]), ([0, 0, 0, 1, 1], [1, 0, 1, 1, 1]), ([3], [1])],
)
def test_every_second_frame_of_a_shot_takes_steps_and_its_ends_always_do(monkeypatch, shot, keys):
    monkeypatch.setattr(step_counts, "EVERY", 2)
    assert step_counts.key_frames(np.array(shot)).astype(int).tolist() == keys


@pytest.mark.parametrize(("shot", "steps", "count"), [([0, 0, 0], 2, 8), ([0, 0, 1], 3, 12), ([0], 1, 2)])
def test_progress_ends_at_the_count_of_steps(shot, steps, count):
    assert refinements.count(NO_POSES, np.array(shot), steps) == count
    progress = Progress(logging.getLogger("test"), "animations", count, unit="steps")
    along(REST[None].repeat(len(shot), 1, 1), shot, steps=steps, progress=progress)
    assert progress.done == count
