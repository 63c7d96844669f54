from dataclasses import replace

import numpy as np
import pytest
import torch
from controlled_faces import BALL, LAYERS, MOUTH, WIDTH, YAW, store

from d2a_core.directions import sliders
from d2a_core.directions.sliders import Controls, Measured, Problem, settle
from d2a_core.faces import geometry


def test_only_what_varies_has_a_control(moves):
    assert [control.name for control in moves.all] == ["yaw", "mouth_open"]
    assert [control.unit for control in moves.all] == ["°", "s.d."]


@pytest.mark.parametrize(("values", "turn", "gap"), [({"yaw": 12}, 12, 0), ({"mouth_open": 1.5}, 0, 0.06)])
def test_a_value_is_what_comes_of_it(moves, looker, values, turn, gap):
    wplus = torch.zeros(1, LAYERS, WIDTH)
    seen, rest = (
        looker.attributes(wplus, move)[0]
        for move in (moves.delta(values, wplus), torch.zeros(1, LAYERS, WIDTH))
    )
    assert seen[YAW] - rest[YAW] == pytest.approx(turn, abs=0.7)
    assert seen[MOUTH] - rest[MOUTH] == pytest.approx(gap, abs=0.004)


def test_controls_add_up(moves):
    wplus = torch.zeros(1, LAYERS, WIDTH)
    both = moves.delta({"yaw": 8, "mouth_open": 1}, wplus)
    assert both.numpy() == pytest.approx(
        (moves.delta({"yaw": 8}, wplus) + moves.delta({"mouth_open": 1}, wplus)).numpy(), abs=1e-5
    )


def test_a_value_beyond_the_range_is_clamped_and_said(moves):
    high = moves.all[0].high
    values, notes = moves.clamped({"yaw": 500.0, "mouth_open": 0.5})
    assert values == {"yaw": high, "mouth_open": 0.5}
    (note,) = notes
    assert note.startswith("yaw is 500 °, but it works from") and f"{high:g} is used" in note


def test_an_unknown_control_is_one_sentence(moves):
    with pytest.raises(ValueError, match="there is no control 'nose'; choose one of yaw, mouth_open"):
        moves.clamped({"nose": 1.0})


def curve(response, found=None):
    """One control whose response to nine strengths is given, in degrees of yaw."""
    count = len(response)
    table = np.zeros((1, count, len(geometry.ATTRIBUTES)))
    table[0, :, YAW] = response
    found = np.ones((1, count)) if found is None else np.array([found])
    strength = np.linspace(-1, 1, count)[None]
    deviation = np.ones(len(geometry.ATTRIBUTES))
    return Measured([sliders.KINDS[0]], np.zeros((1, LAYERS, WIDTH)), strength, table, found, deviation)


def test_a_range_ends_where_the_response_falls_or_faces_are_lost():
    strength, response = sliders.scale(curve([-3, -20, -15, -7, 0, 8, 15, 14, 20]), 0)
    assert response.tolist() == [-20, -15, -7, 0, 8, 15]
    assert strength == pytest.approx([-0.75, -0.5, -0.25, 0, 0.25, 0.5])
    lost = sliders.scale(curve(np.linspace(-20, 20, 9), [1, 1, 1, 1, 1, 1, 1, 0.5, 1]), 0)
    assert lost[1].max() == 10


def test_a_range_is_monotone_and_holds_rest(moves):
    for slider in moves.sliders:
        assert slider.control.low < 0 < slider.control.high
        assert (np.diff(slider.response) > 0).all()


def test_a_strength_is_where_the_response_has_the_value():
    (slider,) = sliders.sliders(curve([-20, -15, -10, -5, 0, 10, 20, 30, 40]))
    assert (slider.number, slider.control.low, slider.control.high) == (0, -20, 40)
    assert [slider.strength_of(value) for value in (-15, 0, 20)] == pytest.approx([-0.75, 0, 0.5])
    assert slider.strength_of(500) == 1 and slider.strength_of(-500) == -1


def test_a_slider_keeps_its_place_where_one_before_it_moves_nothing(measured):
    still = measured.response.copy()
    still[0] = 0
    (slider,) = sliders.sliders(replace(measured, response=still))
    assert (slider.control.name, slider.number) == ("mouth_open", 1)


def test_a_control_that_moves_nothing_is_left_out(looker):
    idle = Controls(curve(np.linspace(-0.1, 0.1, 9)), BALL)
    assert idle.all == ()


def test_what_is_stored_comes_back(measured, looker):
    whole = store()
    again = sliders.from_store(sliders.arrays(measured, whole))
    wplus = torch.zeros(1, LAYERS, WIDTH)
    assert [control.name for control in again.all] == ["yaw", "mouth_open"]
    assert np.linalg.norm(again.delta({"yaw": 5}, wplus)) > 0


FREE = 1e-9 * np.eye(2)
WIDE = np.array([[-10.0, -10.0], [10.0, 10.0]])
ANSWER = np.array([[0.5, 0.3], [-0.4, 1.5]])  # of a face, where a typical one answers with the unit matrix


def problem(*, cost=FREE, bound=WIDE):
    return Problem(np.ones(2), np.eye(2), cost, bound)


class Face:
    """Is asked for a change [C] and answers to strengths with a matrix; blind beyond a length of `limit`."""

    def __init__(self, asked, answer, limit=np.inf):
        self.asked, self.answer, self.limit, self.looks = np.array(asked, float), answer, limit, 0

    def __call__(self, strength):
        self.looks += 1
        missing = self.asked - strength @ self.answer.T
        missing[np.linalg.norm(strength, axis=1) > self.limit] = np.nan
        return missing


def settled(face, *, rounds, start=None, learn=True, **known):
    """Strength and change [C] of one face, from the strengths that a typical one would need."""
    begun = face.asked if start is None else np.array(start, float)
    found = settle(problem(**known), begun[None], face, rounds=rounds, learn=learn, weigh_cost=True)
    return found.strength[0], face.asked - found.missing[0]


def test_a_typical_face_is_looked_at_once():
    face = Face([2, 1], np.eye(2))
    assert settled(face, rounds=6)[1] == pytest.approx([2, 1])
    assert face.looks == 1


def test_what_is_asked_is_reached_on_a_face_that_answers_otherwise():
    assert settled(Face([2, 0], ANSWER), rounds=8)[1] == pytest.approx([2, 0], abs=0.02)


def test_one_step_from_rest_ends_where_the_slope_of_a_typical_face_says():
    strength, reached = settled(Face([2, 0], np.eye(2)), rounds=1, start=[0, 0], learn=False)
    assert strength == pytest.approx([2, 0]) and reached == pytest.approx([2, 0])


def test_a_dear_step_ends_where_it_costs_as_much_as_it_gains():
    cost = np.diag([1.0, 1.0])  # (asked - s)² + s² is least at half of what is asked
    assert settled(Face([2, 0], np.eye(2)), rounds=4, cost=cost)[0] == pytest.approx([1, 0], abs=1e-6)


@pytest.mark.parametrize(("weigh_cost", "strength"), [(True, [1, 0]), (False, [2, 0])])
def test_the_best_look_has_the_smallest_error_unless_the_cost_is_weighed(weigh_cost, strength):
    known, start = problem(cost=np.eye(2)), np.array([[2.0, 0.0]])  # the start leaves no error, and is dear
    found = settle(known, start, Face([2, 0], np.eye(2)), rounds=4, weigh_cost=weigh_cost)
    assert found.strength[0] == pytest.approx(strength, abs=1e-6)


def test_a_face_that_does_not_answer_is_not_bent():
    strength, _ = settled(Face([2, 0], np.diag([0.02, 1.0])), rounds=6, cost=0.05 * np.eye(2))
    assert np.abs(strength).max() < 2.5  # alone the measure would ask for 100


def test_no_strength_leaves_what_was_measured():
    bound = np.array([[-1.0, -1.0], [1.0, 1.0]])
    assert settled(Face([5, 0], np.eye(2)), rounds=4, bound=bound)[0] == pytest.approx([1, 0])


def test_where_the_face_is_lost_less_is_tried():
    assert 1 < settled(Face([3, 0], np.eye(2), limit=2.0), rounds=6)[1][0] <= 2


def test_a_face_that_is_never_seen_settles_nowhere():
    assert np.isnan(settled(Face([3, 0], np.eye(2), limit=-1), rounds=4)[1]).all()


def test_the_best_look_is_kept_when_a_later_one_is_worse():
    class Fickle(Face):
        def __call__(self, strength):
            return self.asked - np.where(strength[:, :1] < 1.5, strength, -5 * strength)

    assert settled(Fickle([2, 0], np.eye(2)), rounds=2, start=[1, 0])[1][0] >= 1


@pytest.mark.parametrize("learn", [False, True])
def test_faces_settle_each_by_itself(learn):
    asked, answers = np.array([[2.0, 0.0], [1.0, -1.0], [0.0, 3.0]]), (np.eye(2), ANSWER, 0.5 * np.eye(2))

    def look(strength):
        return asked - np.stack([a @ s for a, s in zip(answers, strength, strict=True)])

    together = settle(problem(), np.zeros((3, 2)), look, rounds=5, learn=learn)
    for number, answer in enumerate(answers):
        alone, _ = settled(Face(asked[number], answer), rounds=5, start=[0, 0], learn=learn)
        assert together.strength[number] == pytest.approx(alone, abs=2e-3)
