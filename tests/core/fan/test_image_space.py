import logging
from dataclasses import replace

import image_world
import numpy as np
import pytest
import torch
from image_world import ALL, BALL, GAIN, PRIOR, ImageWorld, base_fan, loss_of

from d2a_core import runtime, training
from d2a_core.fan import fan, image_loss, image_space
from d2a_core.fan.conditioned import ConditionedFan

LOG = logging.getLogger("test")
OPTIONS = image_space.Options(
    samples=48, epoch=24, batch=4, learning_rate=3e-3, weight_decay=0.0, width=24, depth=1, sees_code=True,
    held_out=4, landmarks_weight=1.0, features_weight=1.0, identity_weight=1.0, outside_weight=1.0,
    colour_weight=1.0, prior_weight=0.01, seed=0,
)  # fmt: skip


def store(count=12, per_face=3, seed=0, lost=()):
    """Faces, and goals that lie where a shift of known size leads to."""
    wplus = image_world.codes(count, seed)
    points = image_world.seen(wplus)
    way = torch.randn(count, per_face, 1, 2, generator=torch.Generator().manual_seed(seed + 1))
    found = np.array([number not in lost for number in range(count)])
    points[~found] = torch.nan
    image = loss_of().faces(wplus, image_world.seen(wplus)).image
    return {
        "wplus": wplus.numpy(),
        "image": image.numpy(),
        "points": points.numpy(),
        "found": found,
        "goal": (points[:, None] + GAIN * way).numpy(),
    }


@pytest.fixture(scope="module")
def goals():
    return image_space.goals([store()], loss_of())


def rows(goals, count=5):
    """Faces, goals, steps of random length and masks of one batch."""
    loss = loss_of()
    faces, goal = goals.faces[:count], goals.goal[:count, 1]
    rng = torch.Generator().manual_seed(7)
    delta = 0.5 * torch.randn(count, image_world.LAYERS, image_world.WIDTH, generator=rng)
    return faces, delta, goal, loss.mask(faces, goal), torch.randn(count, 4, generator=rng)


@pytest.mark.parametrize("look", ["both", "mirrored"])
def test_means_are_those_of_the_whole_batch_and_so_is_their_gradient(goals, look):
    loss = loss_of(world=ImageWorld(bias=0.4))
    faces, delta, goal, mask, jitter = rows(goals)
    one, other = (delta.clone().requires_grad_() for _ in range(2))
    whole = {
        name: term.mean()
        for name, term in loss.terms(faces, one, goal, mask, look=look, jitter=jitter).items()
    }
    sum(whole.values()).backward()
    found = image_loss.means(loss, faces, other, goal, mask, look=look, jitter=jitter)
    sum(found.values()).backward()
    assert {name: term.item() for name, term in found.items()} == pytest.approx(
        {name: term.item() for name, term in whole.items()}, rel=1e-4, abs=1e-7
    )
    assert one.grad.abs().max() > 1e-3
    torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-6)


def test_means_of_steps_that_do_not_learn_have_no_gradient(goals):
    faces, delta, goal, mask, _ = rows(goals)
    found = image_loss.means(loss_of(), faces, delta, goal, mask, look="both")
    learning = image_loss.means(loss_of(), faces, delta.requires_grad_(), goal, mask, look="both")
    assert not any(term.requires_grad for term in found.values())
    assert {name: term.item() for name, term in found.items()} == pytest.approx(
        {name: term.item() for name, term in learning.items()}, rel=1e-6
    )


@pytest.fixture(autouse=True, scope="module")
def _a_single_thread():
    """What is this small is quickest on one, above all where the other processors are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def on_threads(monkeypatch):
    """Limits the threads of what is made from here on, as a job's are; all is as before in the end."""
    monkeypatch.setattr(runtime, "_threads", None)
    before = torch.get_num_threads()
    yield runtime.limit_threads
    torch.set_num_threads(before)


def test_the_bits_do_not_depend_on_the_number_of_threads(goals, on_threads):
    faces, delta, goal, mask, jitter = rows(goals)
    found = []
    for count in (1, 2):
        on_threads(count)
        leaf = delta.clone().requires_grad_()
        terms = image_loss.means(loss_of(), faces, leaf, goal, mask, look="straight", jitter=jitter)
        sum(terms.values()).backward()
        found.append([*(term.detach() for term in terms.values()), leaf.grad])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_faces_that_were_not_found_are_left_out_and_shards_are_joined():
    parts = [store(4, seed=1, lost=(2,)), store(3, seed=2)]
    joined = image_space.goals(parts, loss_of())
    kept = np.concatenate((parts[0]["wplus"][[0, 1, 3]], parts[1]["wplus"]))
    assert np.array_equal(joined.faces.wplus.numpy(), kept)
    assert joined.goal.shape == (6, 3, 98, 2) and joined.goal.isfinite().all()
    expected = 0.3 * kept[:, 0, image_world.PERSON]
    assert joined.faces.embedding[:, 0].numpy() == pytest.approx(expected, abs=1e-2)


def test_no_store_of_goals_is_one_sentence():
    with pytest.raises(ValueError, match="there is no store of goals to train FAN on; give one at least"):
        image_space.goals([], loss_of())


@pytest.mark.parametrize("lost", [range(4), range(3)], ids=["none", "one"])
def test_goals_with_too_few_faces_are_one_sentence(lost):
    with pytest.raises(
        ValueError, match="a face was found on . of 4 faces, too few to train FAN on; raise goals"
    ):
        image_space.goals([store(4, lost=lost)], loss_of())


@pytest.mark.parametrize(("held_out", "expected"), [(4, 4), (50, 6)])
def test_held_out_faces_are_none_of_those_learned_from(goals, held_out, expected):
    learn, held = image_space.split(goals, replace(OPTIONS, held_out=held_out))
    assert len(held) == expected and len(learn) == 3 * (12 - expected)
    assert not set(learn[:, 0].tolist()) & set(held[:, 0].tolist())
    assert {*learn[:, 0].tolist(), *held[:, 0].tolist()} == set(range(12))
    assert len(set(map(tuple, learn.tolist()))) == len(learn)


@pytest.mark.parametrize(
    ("samples", "epoch", "epochs", "each"), [(900, 300, 3, 300), (1000, 300, 3, 300), (20, 300, 1, 20)]
)
def test_a_training_has_whole_epochs(goals, samples, epoch, epochs, each):
    options = replace(OPTIONS, samples=samples, epoch=epoch)
    task = image_space.task(base_fan(), goals, loss_of(), BALL, options)
    assert (options.epochs, len(task.rows)) == (epochs, each)


def test_weights_of_the_loss_are_those_of_the_options():
    options = replace(OPTIONS, landmarks_weight=25.0, outside_weight=0.5)
    assert options.weights == replace(ALL, landmarks=25.0, outside=0.5, prior=0.01)


def start(options=OPTIONS):
    return image_space.start(base_fan(), PRIOR, options, device="cpu")


def train(goals, options=OPTIONS, loss=None, **arguments):
    run = start(options)
    task = image_space.task(run.network, goals, loss or loss_of(options.weights), BALL, options)
    return training.run(run, task, options, log=LOG, **arguments)


def test_the_fan_it_starts_from_learns_at_a_tenth_of_the_rate():
    run = start()
    shares = {
        id(parameter): group["share"] for group in run.optimizer.param_groups for parameter in group["params"]
    }
    by_name = {name: shares[id(parameter)] for name, parameter in run.network.named_parameters()}
    slow = {name for name, share in by_name.items() if share == 0.1}
    assert slow == {name for name in by_name if name.startswith("base.") or name == "gain"}
    assert {by_name[name] for name in by_name.keys() - slow} == {1.0}


def test_a_training_starts_from_the_base_and_its_seed():
    one, same, other = start(), start(), start(replace(OPTIONS, seed=1))
    assert torch.equal(one.network.embed.weight, same.network.embed.weight)
    assert not torch.equal(one.network.embed.weight, other.network.embed.weight)
    assert torch.equal(one.network.base.head.weight, base_fan().head.weight)


def validation(goals, network, options):
    """Loss on the held-out goals."""
    network.eval()
    with torch.no_grad():
        return image_space.task(network, goals, loss_of(options.weights), BALL, options).evaluate()


def test_training_moves_faces_that_it_has_not_seen_nearer_to_their_goals_than_the_start():
    many = image_space.goals([store(60, seed=4)], loss_of())
    options = replace(OPTIONS, samples=320, epoch=160, batch=8, learning_rate=5e-3, held_out=8)
    run = train(many, options)
    first = validation(many, start(options).network, options)
    losses = [row["validation_loss"] for row in run.history]
    assert losses[-1] < losses[0] < first["validation_loss"]
    network = fan.load(training.checkpoint(run, {}), device="cpu")
    assert isinstance(network, ConditionedFan)
    best = validation(many, network, options)
    assert best["validation_loss"] == pytest.approx(min(losses), rel=1e-4)
    assert best["validation_landmarks"] < 0.2 * first["validation_landmarks"]


def test_the_history_tells_every_term_and_they_add_up(goals):
    row = train(goals, replace(OPTIONS, samples=8, epoch=8)).history[0]
    for kind in ("training", "validation"):
        terms = {name: row[f"{kind}_{name}"] for name in vars(ALL)}
        assert min(terms.values()) > 0 and sum(terms.values()) == pytest.approx(row[f"{kind}_loss"], rel=1e-5)


class Killed(Exception):
    """Stands for a job that is stopped from outside."""


def test_a_killed_and_resumed_training_ends_with_the_same_weights(goals):
    options = replace(OPTIONS, samples=36, epoch=12)
    whole = train(goals, options)
    states = []

    def save(state):
        states.append({**state, "network": {k: v.clone() for k, v in state["network"].items()}})
        if len(states) == 2:
            raise Killed

    with pytest.raises(Killed):
        train(goals, options, save=save)
    resumed = train(goals, options, resume=states[-1])
    assert resumed.history == whole.history and len(whole.history) == 3
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


@pytest.mark.parametrize("reach", [9.0, 1e-3])
def test_no_step_leaves_the_ball(goals, monkeypatch, reach):
    moved = []
    means = image_loss.means

    def spied(loss, faces, delta, *rest, **options):
        moved.append(delta.norm(dim=-1).max().item())
        return means(loss, faces, delta, *rest, **options)

    monkeypatch.setattr(image_loss, "means", spied)
    ball = replace(BALL, reach=reach)
    image_space.task(start().network, goals, loss_of(), ball, OPTIONS).step(torch.arange(4))
    assert moved[0] == pytest.approx(1e-3, rel=1e-3) if reach == 1e-3 else 1e-2 < moved[0] < 1


def test_held_out_goals_weigh_the_same_whatever_the_batch(goals):
    options = replace(OPTIONS, held_out=5)
    whole, parts = (validation(goals, start().network, replace(options, batch=size)) for size in (5, 2))
    assert parts == pytest.approx(whole, rel=1e-5)
