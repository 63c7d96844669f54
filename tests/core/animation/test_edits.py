import logging

import image_world
import numpy as np
import pytest
import torch
from image_world import BALL, GAIN, REST, SIZE, ImageWorld, ShareOfTheWay, loss_of, weights

from d2a_core.animation import edits
from d2a_core.fan import closed_loop
from d2a_core.fan.closed_loop import Animator

WAY = np.float32([0.6, -0.4])  # of a goal, in units of w
FACE = REST.numpy()[None]
GOAL = FACE + GAIN * WAY


def animator(share=0.25, loss=True):
    world = ImageWorld()
    followed = loss_of(weights(landmarks=1.0)) if loss else None
    return Animator(world, world, ShareOfTheWay(share), BALL, SIZE, followed)


def missed(delta, goal, codes=None):
    """Distance [N] of the moved faces from their goals, in units of w."""
    moved = torch.zeros(len(delta), 10, image_world.WIDTH) if codes is None else codes.clone()
    moved[:, :8] += delta
    return np.linalg.norm(image_world.seen(moved).numpy() - goal, axis=2).mean(axis=1) / GAIN


def settled(goal, **options):
    codes = torch.zeros(len(goal), 10, image_world.WIDTH)
    steps = options.pop("steps", 12)
    return edits.settle(animator(**options), codes, np.repeat(FACE, len(goal), axis=0), goal, steps=steps)


def test_steps_go_on_from_where_fan_arrived():
    plain, refined = (missed(settled(GOAL, steps=steps).delta, GOAL) for steps in (0, 12))
    assert plain == pytest.approx(0.75 * np.linalg.norm(WAY), abs=0.02)
    assert refined < 0.4 * plain


@pytest.mark.parametrize("together", [1, 8])
def test_poses_take_their_steps_each_by_itself(monkeypatch, together):
    monkeypatch.setattr(edits, "TOGETHER", together)
    alone = settled(GOAL).delta
    several = settled(np.concatenate((GOAL, FACE - GAIN * WAY, GOAL))).delta
    torch.testing.assert_close(several[[0, 2]], alone.repeat(2, 1, 1), atol=1e-4, rtol=0)


def test_a_face_that_is_asked_for_its_own_landmarks_stays_to_the_bit():
    delta = settled(np.concatenate((GOAL, FACE))).delta
    assert (delta[1] == 0).all() and (delta[0] != 0).any()


def test_steps_without_a_loss_are_one_sentence_and_no_steps_need_none():
    assert missed(settled(GOAL, steps=0, loss=False).delta, GOAL) > 0
    with pytest.raises(ValueError, match="gradient steps follow a loss"):
        settled(GOAL, loss=False)


def test_along_a_clip_each_frame_goes_from_its_own_face_to_what_is_asked_of_it(monkeypatch):
    monkeypatch.setattr(closed_loop, "FRAMES", 2)
    codes = torch.zeros(5, 10, image_world.WIDTH)
    codes[..., image_world.RIGHT] = torch.linspace(0, 1, 5)[:, None]
    own = image_world.seen(codes).numpy()
    goal = own + GAIN * WAY
    shot = np.zeros(5, np.int64)
    log = logging.getLogger("d2a.test")
    delta = edits.along(animator(), codes, own, goal, most_poses=3, steps=8, shot=shot, log=log)
    assert (missed(delta, goal, codes) < 0.4 * np.linalg.norm(WAY)).all()
