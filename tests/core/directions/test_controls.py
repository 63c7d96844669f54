import numpy as np
import pytest
import torch
from controlled_faces import FACE, LAYERS, LOWER, MOUTH, OPEN, OPTIONS, WIDTH, YAW, World, slope, store

from d2a_core.directions import controls, sliders
from d2a_core.directions.ball import Ball
from d2a_core.directions.controls import Looker
from d2a_core.directions.sliders import Controls, Measured
from d2a_core.faces import geometry
from d2a_core.faces.schemes import WFLW98


@pytest.fixture(scope="module")
def studio():
    world = World()
    return Looker(world, world, Ball(torch.zeros(WIDTH), radius=10.0, reach=10.0), 8)


@pytest.fixture(scope="module")
def measured(studio):
    made_on, measured_on = controls.faces(studio.generator, OPTIONS)
    vector = controls.build(studio, store(), slope(), made_on, OPTIONS)
    return controls.measure(studio, store(), vector, measured_on, OPTIONS)


@pytest.fixture
def moves(measured, studio):
    return Controls(measured, studio.ball)


def test_only_what_varies_has_a_control(moves):
    assert [control.name for control in moves.all] == ["yaw", "mouth_open"]
    assert [control.unit for control in moves.all] == ["°", "s.d."]


def test_a_control_changes_its_own_attribute_and_not_the_other(measured):
    middle = len(controls.MEASURED) // 2
    change = measured.response[:, middle + 1] - measured.response[:, middle - 1]
    slopes = change[:, [YAW, MOUTH]] / measured.deviation[[YAW, MOUTH]]
    assert abs(slopes[0, 1] / slopes[0, 0]) < 0.05 and abs(slopes[1, 0] / slopes[1, 1]) < 0.05


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
    for control in moves.all:
        assert control.low < 0 < control.high
        number = moves.number(control.name)
        assert (np.diff(sliders.scale(moves.measured, number)[1]) > 0).all()


def test_a_control_that_moves_nothing_is_left_out(studio):
    idle = Controls(curve(np.linspace(-0.1, 0.1, 9)), studio.ball)
    assert idle.all == ()


def test_what_is_stored_comes_back(measured, studio):
    whole = store()
    again = sliders.from_store(sliders.arrays(measured, whole))
    wplus = torch.zeros(1, LAYERS, WIDTH)
    assert [control.name for control in again.all] == ["yaw", "mouth_open"]
    assert np.linalg.norm(again.delta({"yaw": 5}, wplus)) > 0


def test_the_table_of_purity_has_a_row_for_each_strength_and_attribute(measured, moves):
    columns = controls.purity(measured)
    assert len(columns["control"]) == 2 * len(controls.MEASURED) * 2
    text = controls.markdown(moves)
    rows = [line for line in text.splitlines() if line.startswith(("| yaw", "| mouth_open"))]
    assert [cells.split("|")[3].strip() for cells in rows][0] == "+1.00"


def test_the_progress_counts_what_is_looked_at(studio):
    class Counted:
        count = 0

        def advance(self, n, **figures):
            self.count += n

    made_on, measured_on = controls.faces(studio.generator, OPTIONS)
    counted = Counted()
    vector = controls.build(studio, store(), slope(), made_on, OPTIONS, counted)
    controls.measure(studio, store(), vector, measured_on, OPTIONS, counted)
    assert counted.count == controls.renders(store(), OPTIONS)


def test_geometry_of_the_world_is_what_the_tests_assume():
    points = (0.25 * FACE[None, :, :2] + [0.5, 0.4]).astype(np.float32)
    rest = geometry.attributes(points, FACE[None, :, :2], np.zeros((1, 3)), WFLW98)
    wide = FACE.copy()
    wide[LOWER, 1] += OPEN
    opened = geometry.attributes(points, wide[None, :, :2], np.zeros((1, 3)), WFLW98)
    assert opened["mouth_opening"] - rest["mouth_opening"] == pytest.approx(OPEN, rel=1e-4)


def test_the_shortest_step_raises_its_own_measure_alone():
    slope = np.array([[3.0, 4.0, 0.0], [0.0, 1.0, 1.0]])[:, None]
    step = controls.shortest(slope, ridge=0.0)
    np.testing.assert_allclose(np.einsum("cld,bld->cb", slope, step), np.eye(2), atol=1e-6)
    alone = controls.shortest(slope[:1], ridge=0.0)
    np.testing.assert_allclose(alone[0, 0], [0.12, 0.16, 0], atol=1e-6)  # (3, 4) / 25


def test_mixed_steps_undo_what_steps_do_to_one_another():
    effect = np.array(
        [[1.0, 0.5], [-0.2, 2.0]]
    )  # of the second step half a unit spills into the first measure
    mixed = controls.mix(effect, np.eye(2)[:, None], ridge=0.0)
    np.testing.assert_allclose(effect @ mixed.T, np.eye(2), atol=1e-6)


def test_a_ridge_makes_a_dear_step_shorter():
    effect = np.diag([1.0, 1.0])
    dear = np.array([[[1.0, 0.0]], [[0.0, 10.0]]])
    cheap, short = np.diag(controls.mix(effect, dear, ridge=0.1))
    assert 0.9 < cheap and short < cheap
