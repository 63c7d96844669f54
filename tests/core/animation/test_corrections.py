import controlled_faces
import numpy as np
import pytest
import torch
from controlled_faces import BALL, LAYERS, OPEN, TURN, WIDTH, World, looker

from d2a_core.animation import corrections
from d2a_core.directions.sliders import Controls
from d2a_core.faces.geometry import rotation_matrix
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.generator import detection


def picture(turn, gap):
    shape = template_of(WFLW98).copy()
    shape[[*range(83, 88), *range(93, 96)], 1] += OPEN * gap
    return (0.25 * (shape @ rotation_matrix(TURN * turn, 0, 0).T)[:, :2] + [0.5, 0.4]).astype(np.float32)


class Turning(World):
    """A world whose landmarks turn with the head, and in which some pictures show no face."""

    blind: tuple[int, ...] = ()

    def detect(self, images):
        seen = super().detect(images)
        gap = (seen.canonical[:, 94, 1] - template_of(WFLW98)[94, 1]) / OPEN
        points = np.stack([picture(a / TURN, b) for a, b in zip(seen.angles[:, 0], gap, strict=True)])
        seen.found[[number for number in self.blind if number < len(images)]] = False
        return Detections(points, seen.score, seen.found, seen.angles, seen.canonical)


@pytest.fixture(scope="module")
def moves():
    return Controls(controlled_faces.measured(looker(Turning())), BALL)


def _correct(moves, world, begun, wanted, passes):
    """Turn and gap [T, 2] after corrections, in units of w."""
    wplus = torch.zeros(len(wanted), LAYERS, WIDTH)
    delta = torch.zeros_like(wplus)
    delta[:, :, :2] = torch.tensor(begun).float()[:, None]
    source = detection.detect(world, world, wplus[:1], torch.zeros(1, LAYERS, WIDTH), size=8)
    asked = corrections.wanted(source, np.stack([picture(*pair) for pair in wanted]))

    def look(move):
        return detection.detect(world, world, wplus, move, size=8)

    found = corrections.correct(moves, look, wplus, delta, asked, passes=passes)
    return found[:, 0, :2].numpy()


def test_what_a_network_left_undone_is_done_and_what_leaked_is_taken_back(moves):
    wanted = np.array([[1.0, 0.0], [0.0, 1.5], [-1.0, 1.0]])
    begun = np.array([[0.9, 0.8], [0.4, 0.7], [-1.0, 1.0]])  # the mouth moves with the head, and half as far
    reached = _correct(moves, Turning(), begun, wanted, passes=3)
    assert np.abs(begun - wanted).max() == pytest.approx(0.8)
    assert np.abs(reached - wanted).max() < 0.12


def test_a_correction_that_makes_it_worse_is_not_kept(moves):
    world = Turning(gain=-1.0)  # this head turns the other way
    reached = _correct(moves, world, np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]), passes=1)
    assert reached == pytest.approx(np.zeros((1, 2)), abs=1e-6)


def test_a_frame_without_a_face_stays_as_it_was(moves):
    world = Turning()
    begun, wanted = np.array([[0.0, 0.0], [0.3, 0.3]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    seen = _correct(moves, world, begun, wanted, passes=2)
    world.blind = (1,)
    reached = _correct(moves, world, begun, wanted, passes=2)
    assert seen[1] == pytest.approx(wanted[1], abs=0.12)
    assert reached[1] == pytest.approx(begun[1]) and reached[0] == pytest.approx(seen[0], abs=1e-6)
