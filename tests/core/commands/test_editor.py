import image_world
import numpy as np
import pytest
import torch
from image_world import BALL, SIZE, MeasuredWorld, ShareOfTheWay, loss_of, weights

from d2a_core.commands.editor import Editor
from d2a_core.fan.closed_loop import Animator
from d2a_core.inversion.consultant import Consultant

STEPS = 40


def editor(**facts):
    world = MeasuredWorld()
    for name, value in facts.items():
        setattr(world, name, value)
    loss = loss_of(weights(landmarks=1.0, features=8.0), world)
    animator = Animator(world, world, ShareOfTheWay(0.0), BALL, SIZE, loss)
    wplus = torch.zeros(1, 10, image_world.WIDTH)
    photo = np.full((SIZE, SIZE, 3), 128, np.uint8)
    nothing = Consultant(world, None, torch.zeros(1, 3, SIZE, SIZE), wplus, 15.0)
    return Editor(animator, wplus, nothing, photo, None, steps=STEPS, surroundings="generator")


def test_a_mouth_opens_as_asked_and_the_table_says_so():
    edit = editor().settle({"mouth_open": 10})
    assert edit.reached["mouth_open"] == pytest.approx(10, abs=3.5)
    assert edit.asked["mouth_open"] == 10 and edit.asked["yaw"] == 0
    assert edit.reached["eyes_closed"] == pytest.approx(0, abs=1)


def test_nothing_asked_changes_nothing():
    face = editor()
    edit = face.settle({})
    assert torch.equal(edit.wplus, face.wplus) and edit.notes == ()
    assert face.advance({}) and torch.equal(face.latents({}), face.wplus)


def test_what_a_face_cannot_do_is_said():
    edit = editor().settle({"eyes_closed": 100})  # its lids do not move
    assert edit.notes == (
        "eyes_closed reaches 0 of 100 % on this face; more would have changed who it is, or takes more steps "
        "(controls.steps)",
    )


def test_a_value_beyond_the_range_is_met_at_its_end_and_noted():
    edit = editor().settle({"mouth_open": 400})
    assert edit.asked["mouth_open"] == 40 and "400" in edit.notes[0]


def test_a_draft_takes_a_step_at_once_and_more_while_the_sliders_stand_still():
    face, asked, gaps = editor(), {"mouth_open": 10}, []
    while not face.advance(asked):
        gaps.append(face.latents(asked)[0, 0, image_world.GAP].item())
    assert len(gaps) == 1 + (STEPS - 1) // 2
    assert gaps[0] > 0 and gaps[-1] > 3 * gaps[0]
    settled = editor().settle(asked)
    torch.testing.assert_close(face.latents(asked), settled.wplus)  # the same in the end


def test_a_slider_that_moves_on_keeps_what_the_steps_have_added():
    face = editor()
    while not face.advance({"mouth_open": 10}):
        pass
    before = face.latents({"mouth_open": 10})
    face.advance({"mouth_open": 11})
    assert (face.latents({"mouth_open": 11}) - before).abs().max() < 0.2


def test_a_settled_face_does_not_depend_on_what_the_sliders_did_before():
    face = editor()
    face.advance({"mouth_open": 30, "smile": 5})
    torch.testing.assert_close(
        face.settle({"mouth_open": 10}).wplus, editor().settle({"mouth_open": 10}).wplus
    )


def test_the_front_is_the_turn_that_undoes_the_faces_own():
    assert editor(turned=12.0).frontal() == {"yaw": -12.0, "pitch": -0.0}


def test_a_face_that_cannot_be_turned_to_the_front_is_said():
    edit = editor(turned=12.0).straighten()
    assert edit.notes == ("the face could not be brought to the front: it is off in yaw by 12.0°",)
    assert editor().straighten().notes == ()


def test_a_source_without_a_face_is_one_sentence():
    with pytest.raises(ValueError, match="no face is seen on the source; choose another photo"):
        editor(hidden=True).settle({"yaw": 10})
