from dataclasses import replace

import numpy as np
import pytest
import torch

from d2a_core.animation import goals
from d2a_core.faces import geometry, moves
from d2a_core.faces.heads import lift, project
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.generator.latent_prior import LatentPrior

TURN, OPEN, GREY = 10.0, 0.1, 8.0  # degrees and gap per unit of w, units of w from black to white
PLAN = goals.Plan(shard=0, group="all", faces=4, per_face=3, seed=5)


def seen(turns, gaps):
    """Detections of faces turned by so many degrees with mouths so far open."""
    turns, gaps = np.asarray(turns, np.float64), np.asarray(gaps, np.float64)
    face = lift(np.tile(0.25 * template_of(WFLW98)[None, :, :2] + 0.5, (len(turns), 1, 1)), WFLW98)
    points = project(moves.moved(face, {"yaw": turns, "mouth_open": gaps})).astype(np.float32)
    angles = np.stack((turns, 0 * turns, 0 * turns), axis=1).astype(np.float32)
    found = np.ones(len(turns), bool)
    return Detections(points, found.astype(np.float32), found, angles, points)


class World:
    """A generator and a detector in one: w begins with the turn of the head and the gap of the mouth."""

    num_layers, z_dim, w_dim, resolution, batch = 12, 64, 64, 8, 3
    scheme = WFLW98

    def __init__(self, blind=False):
        self.blind = blind

    def map(self, z):
        return torch.nn.functional.normalize(z)

    def synthesize(self, wplus, size=None, consultation=None):
        image = torch.zeros(len(wplus), 3, size, size)
        image[:, :2] = (wplus[:, 0, :2] / GREY)[:, :, None, None]
        return image

    def detect(self, images):
        turn, gap = ((images[:, 0, 0, :2] / 127.5 - 1) * GREY).T
        faces = seen(20 * TURN * turn, OPEN * np.abs(gap))
        if self.blind:
            lost = turn > 0
            faces.found[lost], faces.points[lost], faces.angles[lost] = False, np.nan, np.nan
        return faces


PRIOR = LatentPrior(torch.zeros(64), torch.eye(64), torch.ones(64))
TARGETS = seen([-25, -10, 0, 15, 30], [0.0, 0.3, 0.1, 0.05, 0.2])


def draw(plan=PLAN, world=None, targets=TARGETS):
    world = world or World()
    return goals.draw(world, world, PRIOR, targets, plan, size=8)


@pytest.fixture
def all_of_the_way(monkeypatch):
    """Goals that go all of the way to a target, with nothing on top."""
    monkeypatch.setattr(goals, "PART_OF_THE_WAY", 0.0)
    monkeypatch.setattr(goals, "EXTRA", 0.0)


def asked(source, group, count=40, targets=TARGETS, seed=0):
    """Goals [count, P, 2] of one face."""
    plan = replace(PLAN, group=group, per_face=count)
    return np.stack(list(goals.ask(source, targets, plan, np.random.default_rng(seed))))


def test_a_face_gives_the_same_numbers_whatever_the_size_of_its_shard():
    whole = draw()
    halves = [draw(replace(PLAN, shard=shard, faces=2)) for shard in (0, 1)]
    assert whole["goal"].shape == (4, 3, 98, 2) and whole["image"].shape == (4, 8, 8, 3)
    for name, value in whole.items():
        assert np.array_equal(value, np.concatenate([half[name] for half in halves])), name


def test_shards_and_seeds_draw_other_faces_and_ask_for_other_landmarks():
    one, other = draw(), draw(replace(PLAN, shard=1))
    assert not np.isclose(one["wplus"], other["wplus"]).all(axis=(1, 2)).any()
    assert not np.allclose(one["goal"], draw(replace(PLAN, seed=6))["goal"])


def test_a_face_that_was_not_found_is_asked_for_nothing():
    plan = replace(PLAN, faces=12)
    seeing, blind = draw(plan), draw(plan, World(blind=True))
    lost = ~blind["found"]
    assert 0 < lost.sum() < 12
    assert np.isnan(blind["goal"][lost]).all() and np.isfinite(blind["goal"][~lost]).all()
    assert np.array_equal(blind["goal"][~lost], seeing["goal"][~lost])  # another's loss changes nothing


def test_targets_without_a_face_are_never_asked_for():
    lost = seen([0, 0, 0], [0.0, 0.0, 0.0])
    lost.points[:], lost.angles[:], lost.found[:] = np.nan, np.nan, False
    mixed = Detections(*(np.concatenate((getattr(lost, n), getattr(TARGETS, n))) for n in vars(lost)))
    assert np.array_equal(draw(targets=mixed)["goal"], draw()["goal"])


def test_a_goal_of_the_pose_turns_the_head_and_asks_for_no_expression(all_of_the_way):
    source = seen([5.0], [0.12])
    front = lift(source.points, WFLW98, source.angles)
    goal = asked(source, "pose")
    angles = geometry.angles_of(lift(goal, WFLW98).rotation)
    heads = lift(goal, WFLW98, angles)
    assert heads.shape == pytest.approx(np.tile(front.shape, (40, 1, 1)), abs=0.01)
    assert np.ptp(angles[:, 0]) > 30


def test_a_goal_of_the_expression_opens_the_mouth_and_asks_for_no_turn(all_of_the_way):
    source = seen([20.0], [0.12])
    heads = lift(asked(source, "expression"), WFLW98)
    assert geometry.angles_of(heads.rotation) == pytest.approx(np.tile((20, 0, 0), (40, 1)), abs=1.0)
    assert np.ptp(heads.shape[:, 94, 1] - heads.shape[:, 90, 1]) > 0.1


def test_a_pose_has_no_moves_on_top(monkeypatch):
    monkeypatch.setattr(goals, "EXTRA", 1.0)
    monkeypatch.setattr(goals, "EXTRA_MOVE", 1.0)
    monkeypatch.setattr(goals, "PART_OF_THE_WAY", 0.0)
    source = seen([0.0], [0.1])
    lids = {}
    for group in ("pose", "all"):
        heads = lift(asked(source, group), WFLW98)
        lids[group] = heads.shape[:, 66, 1] - heads.shape[:, 62, 1]
    open_ = (template_of(WFLW98)[66] - template_of(WFLW98)[62])[1]
    assert lids["pose"] == pytest.approx(np.full(40, open_), abs=0.01)
    assert lids["all"].min() < 0.3 * open_


def test_an_absolute_goal_is_the_targets_own_landmarks(all_of_the_way, monkeypatch):
    monkeypatch.setattr(goals, "ABSOLUTE", 1.0)
    goal = asked(seen([5.0], [0.12]), "all")
    nearest = np.abs(goal[:, None] - TARGETS.points[None]).max(axis=(2, 3)).min(axis=1)
    assert nearest == pytest.approx(0, abs=1e-4)


def test_part_of_the_way_lies_on_the_straight_line_to_the_target(monkeypatch):
    monkeypatch.setattr(goals, "EXTRA", 0.0)
    monkeypatch.setattr(goals, "ABSOLUTE", 1.0)
    monkeypatch.setattr(goals, "PART_OF_THE_WAY", 1.0)
    source, target = seen([5.0], [0.12]), TARGETS.rows([4])
    way = (asked(source, "all", targets=target) - source.points).reshape(40, -1)
    line = (target.points - source.points).ravel()
    share = way @ line / (line @ line)
    assert way == pytest.approx(share[:, None] * line, abs=1e-4)
    assert goals.LEAST_WAY <= share.min() < 0.4 and 0.9 < share.max() <= 1


def test_closing_eyes_close_together_half_the_time_and_wink_the_rest(monkeypatch):
    monkeypatch.setattr(goals, "EXTRA", 1.0)
    rng = np.random.default_rng(0)
    drawn = [goals._extra(rng) for _ in range(600)]
    both = [values for values in drawn if set(goals.EYES) <= values.keys()]
    equal = sum(values["left_eye_closed"] == values["right_eye_closed"] for values in both)
    winks = sum(len(set(goals.EYES) & values.keys()) == 1 for values in drawn)
    assert equal > 100 and winks > 50 and len(both) > equal


def codes(layers=12, faces=80):
    world = World()
    world.num_layers = layers
    plan = replace(PLAN, faces=faces)
    return goals.codes(world, PRIOR, plan).numpy()


def test_half_of_the_codes_are_sampled_ones_truncated_by_psi():
    wplus = codes()
    sampled = (wplus == wplus[:, :1]).all(axis=(1, 2))
    assert 28 <= sampled.sum() <= 52
    psi = np.linalg.norm(wplus[sampled, 0], axis=1)  # codes of this mapping are 1 long
    assert 0.5 <= psi.min() < 0.6 and 0.9 < psi.max() <= 1 + 1e-5


def test_inverted_codes_are_longer_and_their_late_layers_alone_go_their_own_way():
    wplus = codes()
    inverted = wplus[(wplus != wplus[:, :1]).any(axis=(1, 2))]
    own = (inverted != inverted[:, :1]).any(axis=2)
    assert own[:, [8, 9, 10]].all() and not own[:, [0, 1, 2, 3, 4, 5, 6, 7, 11]].any()
    assert np.linalg.norm(inverted[:, 0], axis=1).max() > 1.1
    way = inverted[:, 8] - inverted[:, 0]
    assert way.std() == pytest.approx(goals.LATE_DEVIATIONS, rel=0.05)


def test_whitened_codes_are_mixed_in_the_deviations_of_w():
    stretched = replace(PRIOR, mean=torch.full((64,), 2.0), deviation=torch.full((64,), 0.5))
    wplus = goals.codes(World(), stretched, replace(PLAN, faces=80)).numpy()
    inverted = wplus[(wplus != wplus[:, :1]).any(axis=(1, 2))]
    way = inverted[:, 8] - inverted[:, 0]
    assert way.std() == pytest.approx(0.5 * goals.LATE_DEVIATIONS, rel=0.05)


@pytest.mark.parametrize("layers", [8, 10])
def test_a_small_generator_has_fewer_late_layers(layers):
    wplus = codes(layers, faces=10)
    assert wplus.shape == (10, layers, 64)
    assert (wplus[:, :8] == wplus[:, :1]).all()
