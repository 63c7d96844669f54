import image_world
import pytest
import torch
from image_world import BALL, DOWN, GAIN, GAP, REST, RIGHT, ImageWorld, faces, loss_of, step, weights

from d2a_core.directions.ball import Ball
from d2a_core.fan import refinement
from d2a_core.fan.closed_loop import Animator
from d2a_core.fan.refinement import Refinement

HERE = torch.zeros(1, 10, image_world.WIDTH)  # the code of a face at rest
LANDMARKS = weights(landmarks=1.0)
WAY = {"right": 0.6, "down": -0.4}
GOAL = REST[None] + GAIN * torch.tensor([WAY["right"], WAY["down"]])


@pytest.fixture(autouse=True, scope="module")
def _a_single_thread():
    """What is this small is quickest on one, above all where the other processors are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def refine(goal=GOAL, delta=None, loss=None, ball=BALL, steps=8):
    loss = loss or loss_of(LANDMARKS)
    start = step() if delta is None else delta
    return Refinement(loss, ball, faces(loss, HERE), start, goal).take(steps)


def miss(delta, goal=GOAL):
    """Distance [N] of the faces at rest, moved by `delta`, from their goals, in units of w."""
    moved = HERE.repeat(len(delta), 1, 1)
    moved[:, :8] += delta
    return (image_world.seen(moved) - goal).norm(dim=-1).mean(dim=1) / GAIN


def test_a_few_steps_lead_towards_the_known_step_and_many_reach_it():
    few, many = refine(steps=4), refine(steps=30)
    assert miss(many) < 0.1 < miss(few) < miss(step())
    torch.testing.assert_close(
        many.mean(dim=1)[0, [RIGHT, DOWN]], torch.tensor([0.6, -0.4]), atol=0.1, rtol=0
    )
    assert many.mean(dim=1)[0, GAP].abs() < 0.1


def test_steps_that_settle_become_shorter_down_to_a_fifth():
    far = REST[None] + GAIN * torch.tensor([10.0, 0.0])  # so far that every step is as long as it may be
    loss = loss_of(LANDMARKS)
    whole, calm = (Refinement(loss, BALL, faces(loss, HERE), step(), far) for _ in range(2))
    way = [found.mean(dim=1)[0, RIGHT].item() for found in (whole.take(5), calm.settle(5))]
    assert way[1] == pytest.approx((1 + 0.8 + 0.6 + 0.4 + 0.2) / 5 * way[0], rel=0.02)


def test_what_the_looks_to_one_side_err_is_taken_out_by_those_to_the_other():
    found = refine(steps=60, loss=loss_of(LANDMARKS, ImageWorld(bias=0.3)))
    assert miss(found) < 0.2


def test_a_step_of_the_optimizer_is_as_long_in_every_deviation():
    far = REST[None] + GAIN * torch.tensor([2.0, 2.0])
    loss = loss_of(weights(landmarks=1.0, identity=1.0))
    start = step(person=2.0)  # another person, whose colour has a deviation of 2
    found = refine(far, start, loss, steps=1) - start
    assert found[..., RIGHT].numpy() == pytest.approx(refinement.RATE, rel=1e-3)
    assert found[..., image_world.PERSON].numpy() == pytest.approx(-2 * refinement.RATE, rel=1e-3)


def test_no_steps_leave_the_step_as_it_is():
    torch.testing.assert_close(refine(delta=step(right=0.3), steps=0), step(right=0.3))


def test_the_result_stays_in_the_ball():
    ball = Ball(torch.zeros(image_world.WIDTH), radius=0.2, reach=0.2)
    found = refine(steps=20, ball=ball)
    assert found.norm(dim=-1).numpy() == pytest.approx(0.2, abs=1e-3)
    assert miss(found) < miss(step())


def test_a_step_that_starts_outside_of_the_ball_is_brought_back():
    ball = Ball(torch.zeros(image_world.WIDTH), radius=0.2, reach=0.2)
    assert refine(delta=step(down=5.0), steps=0, ball=ball).norm(dim=-1).max() <= 0.2 + 1e-4


def test_faces_are_refined_each_by_itself():
    loss, goal = loss_of(LANDMARKS), torch.cat((GOAL, REST[None]))
    pair = faces(loss, HERE.repeat(2, 1, 1))
    both = Refinement(loss, BALL, pair, step().repeat(2, 1, 1), goal).take(6)
    torch.testing.assert_close(both[:1], refine(steps=6), atol=1e-4, rtol=0)


def test_steps_that_turn_to_the_same_goal_again_are_those_that_never_left_it():
    loss = loss_of(LANDMARKS)
    way = Refinement(loss, BALL, faces(loss, HERE), step(), GOAL)
    way.turn_to(faces(loss, HERE), way.take(3), GOAL)
    torch.testing.assert_close(way.take(4), refine(steps=7))
    assert not torch.allclose(refine(delta=refine(steps=3), steps=4), refine(steps=7), atol=1e-3)


def test_an_animator_without_a_loss_cannot_be_refined():
    world = ImageWorld()
    with pytest.raises(ValueError, match="gradient steps follow a loss"):
        Animator(world, world, None, BALL, image_world.SIZE).followed  # noqa: B018
