import re

import image_world
import numpy as np
import pytest
from image_world import BALL, SIZE, MeasuredWorld, ShareOfTheWay, loss_of, weights

from d2a_core.animation import purity
from d2a_core.faces import controls
from d2a_core.faces.geometry import ATTRIBUTES
from d2a_core.fan.closed_loop import Animator

OPTIONS = purity.Options(steps=30, faces=2, seed=0)
DEVIATION = np.full(len(ATTRIBUTES), 0.01, np.float32)
DEVIATION[ATTRIBUTES.index("roll")] = 0.0


@pytest.fixture(scope="module")
def moved():
    world = MeasuredWorld()
    animator = Animator(
        world, world, ShareOfTheWay(0.0), BALL, SIZE, loss_of(weights(landmarks=1.0, features=8.0), world)
    )
    counted = purity.steps(animator, OPTIONS)
    assert counted == 2 * 30 * 4 * len(controls.CONTROLS)
    return animator, purity.measure(animator, OPTIONS)


def test_every_control_has_a_row_for_each_value_and_attribute_that_varies(moved):
    table = purity.purity(moved[1], controls.CONTROLS, DEVIATION)
    assert len(table["control"]) == len(controls.CONTROLS) * 4 * (len(ATTRIBUTES) - 1)
    assert "roll" not in table["attribute"]
    yaw = [asked for name, asked in zip(table["control"], table["asked"], strict=True) if name == "yaw"]
    assert sorted(set(yaw)) == [-30, -15, 15, 30]


def test_what_came_of_an_open_mouth_is_told_in_its_unit_and_in_deviations(moved):
    table = purity.purity(moved[1], controls.CONTROLS, DEVIATION)
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    (row,) = (
        row
        for row in rows
        if (row["control"], row["asked"], row["attribute"]) == ("mouth_open", 40, "mouth_opening")
    )
    assert 0 < row["came"] <= 44 and row["found"] == 1
    assert row["change"] == pytest.approx(row["came"] / 100 / 0.01, rel=1e-3)


def test_the_text_has_both_ends_of_every_control(moved):
    text = purity.markdown(purity.purity(moved[1], controls.CONTROLS, DEVIATION))
    for control in controls.CONTROLS:
        assert len(re.findall(rf"^\| {control.name} \|", text, re.M)) == 2
        assert f"| {control.name} | {control.high:g} {control.unit} |" in text


def test_the_sheet_shows_a_row_for_each_control(moved):
    animator, faces = moved
    sheet = purity.draw(animator, faces[0])
    assert sheet.ndim == 3 and sheet.shape[0] > len(controls.CONTROLS) * 64


def test_a_face_that_is_not_seen_is_one_sentence(moved):
    animator, _ = moved
    world = MeasuredWorld()
    world.hidden = True
    none = Animator(world, world, animator.fan, BALL, SIZE, animator.loss)
    with pytest.raises(ValueError, match="change controls.seed"):
        purity.move(none, image_world.codes(1), OPTIONS)
