import controlled_faces
import numpy as np
import pytest
import torch
from controlled_faces import BALL, LAYERS, WIDTH, World, looker

from d2a_core.commands.editor import STRAIGHT, Editor
from d2a_core.directions.ball import Ball
from d2a_core.directions.controls import Looker
from d2a_core.directions.sliders import Controls
from d2a_core.inversion.consultant import Consultant


@pytest.fixture(scope="module")
def moves():
    """Controls made on typical faces."""
    return Controls(controlled_faces.measured(looker(World())), BALL)


def editor(moves, *, gain=1.0, turned=0.0, blind=False):
    """An editor of a face that is `turned` in w, and whose head turns `gain` times as far as typical ones."""
    world = World(gain)
    if blind:
        see = world.detect
        world.detect = lambda images: unseen(see(images))
    wplus = torch.zeros(1, LAYERS, WIDTH)
    wplus[..., 0] = turned
    photo = np.zeros((8, 8, 3), np.uint8)
    nothing = Consultant(world, None, torch.zeros(1, 3, 8, 8), wplus, 15.0)
    return Editor(looker(world), moves, wplus, nothing, photo, None)


def unseen(found):
    found.found[:] = False
    return found


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.4])
def test_what_is_asked_is_reached_though_a_head_turns_less_or_more_than_others(moves, gain):
    edit = editor(moves, gain=gain).settle({"yaw": 10})
    assert edit.reached["yaw"] == pytest.approx(10, abs=1.6)
    assert edit.reached["mouth_open"] == pytest.approx(0, abs=0.15)
    assert edit.asked == {"yaw": 10, "mouth_open": 0.0} and edit.notes == ()


def test_a_preview_does_not_look_and_does_what_a_typical_face_would(moves):
    half = editor(moves, gain=0.5)
    code = half.latents({"yaw": 10})
    seen = half.looker.attributes(torch.from_numpy(code), torch.zeros(1, LAYERS, WIDTH))[0]
    assert seen[0] == pytest.approx(5, abs=0.5)
    assert half.preview({"yaw": 10}).shape == (8, 8, 3)


def test_a_value_beyond_the_range_is_met_at_its_end_and_noted(moves):
    edit = editor(moves).settle({"yaw": 400})
    assert edit.asked["yaw"] == moves.all[0].high
    assert len(edit.notes) == 1 and "400" in edit.notes[0]


@pytest.mark.parametrize("turned", [-1.8, 0.0, 2.5])
def test_a_face_is_turned_to_the_front_and_keeps_its_mouth(moves, turned):
    face = editor(moves, turned=turned)
    edit = face.straighten()
    seen = face.looker.attributes(edit.wplus, torch.zeros(1, LAYERS, WIDTH))[0]
    assert abs(seen[0]) < STRAIGHT
    assert edit.reached["mouth_open"] == pytest.approx(0, abs=0.15)
    assert edit.notes == ()


def test_a_face_that_cannot_be_turned_to_the_front_is_said(moves):
    stuck = editor(moves, turned=3.9)
    stuck.moves = Controls(moves.measured, Ball(torch.zeros(WIDTH), radius=10.0, reach=0.1))
    stuck.looker = Looker(World(), World(), stuck.moves.ball, 8)
    edit = stuck.straighten()
    assert edit.notes[0].startswith("the face could not be brought to the front: it is off in yaw by")


def test_a_source_without_a_face_is_one_sentence(moves):
    with pytest.raises(ValueError, match="no face is seen on the source; choose another photo"):
        editor(moves, blind=True).settle({"yaw": 10})
