from dataclasses import replace

import controlled_faces
import numpy as np
import pytest
import torch
from controlled_faces import BALL, LAYERS, MOUTH, WIDTH, YAW, World, store

from d2a_core.directions import sliders
from d2a_core.directions.sliders import Controls, Measured
from d2a_core.faces import geometry


@pytest.fixture(scope="module")
def studio():
    return controlled_faces.looker(World())


@pytest.fixture(scope="module")
def measured(studio):
    return controlled_faces.measured(studio)


@pytest.fixture
def moves(measured):
    return Controls(measured, BALL)


def test_only_what_varies_has_a_control(moves):
    assert [control.name for control in moves.all] == ["yaw", "mouth_open"]
    assert [control.unit for control in moves.all] == ["°", "s.d."]


@pytest.mark.parametrize(("values", "turn", "gap"), [({"yaw": 12}, 12, 0), ({"mouth_open": 1.5}, 0, 0.06)])
def test_a_value_is_what_comes_of_it(moves, studio, values, turn, gap):
    wplus = torch.zeros(1, LAYERS, WIDTH)
    seen, rest = (
        studio.attributes(wplus, move)[0]
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


def test_a_control_that_moves_nothing_is_left_out(studio):
    idle = Controls(curve(np.linspace(-0.1, 0.1, 9)), BALL)
    assert idle.all == ()


def test_what_is_stored_comes_back(measured, studio):
    whole = store()
    again = sliders.from_store(sliders.arrays(measured, whole))
    wplus = torch.zeros(1, LAYERS, WIDTH)
    assert [control.name for control in again.all] == ["yaw", "mouth_open"]
    assert np.linalg.norm(again.delta({"yaw": 5}, wplus)) > 0
