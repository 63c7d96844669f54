from dataclasses import replace

import numpy as np
import pytest
import torch

from d2a_core.animation import footage
from d2a_core.faces import paste
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.fan import closed_loop
from d2a_core.generator.drafts import Draft
from d2a_core.generator.latent_prior import LatentPrior

SIDE, LAYERS, WIDTH = 64, 4, 6
OPTIONS = footage.Options(steps=40, learning_rate=0.1)
PRIOR = LatentPrior(torch.zeros(WIDTH), torch.eye(WIDTH), torch.ones(WIDTH))
FACE = (0.25 * template_of(WFLW98)[:, :2] + [0.5, 0.4]).astype(np.float32)
POINTS = np.repeat(FACE[None], 5, axis=0)
ONE = np.zeros(5, np.int64)  # stretch


class Painter:
    """A generator whose picture has in each half the colour of the first entries of a layer of its own."""

    num_layers, w_dim, resolution, batch, device = LAYERS, WIDTH, SIDE, 4, "cpu"
    draft = Draft(SIDE, None, None)

    def synthesize(self, wplus, size=None, consultation=None):
        left, right = (wplus[:, layer, :3, None, None].expand(-1, -1, SIDE, SIDE // 2) for layer in (0, 1))
        return torch.cat((left, right), dim=3)

    def around(self, wplus):
        return self


def picture(left, right):
    code = torch.zeros(1, LAYERS, WIDTH)
    code[0, 0, :3], code[0, 1, :3] = torch.tensor(left), torch.tensor(right)
    image = Painter().synthesize(code)[0].permute(1, 2, 0).numpy()
    return np.rint((image + 1) * 127.5).astype(np.uint8)


@pytest.fixture
def painted(monkeypatch):
    """Two halves, each of a colour, and nothing that holds a code."""
    free = {
        "FIRST_ROUNDS": 0,
        "STRUCTURE_WEIGHT": 0.0,
        "PRIOR_WEIGHT": 0.0,
        "NEIGHBOUR_WEIGHT": 0.0,
        "OUTSIDE_WEIGHT": 1.0,
    }
    for name, value in free.items():
        monkeypatch.setattr(footage, name, value)
    colours = [((0.2, 0.1, -0.3), (0.1 * n, 0.3, 0.2)) for n in range(5)]
    return [picture(*pair) for pair in colours], colours


def path(count):
    still = torch.zeros(count, LAYERS, WIDTH)
    return closed_loop.LatentPath(
        still, torch.zeros(count, 2, WIDTH), np.zeros((0, count)), np.zeros((count, 98, 2))
    )


def test_the_codes_show_the_footage(painted):
    faces, colours = painted
    found = footage.refine(Painter(), path(5), faces, POINTS, PRIOR, OPTIONS, stretch=ONE)
    assert found.wplus.shape == (5, LAYERS, WIDTH)
    assert found.wplus[:, 0, :3].numpy() == pytest.approx(np.array([left for left, _ in colours]), abs=0.05)
    assert found.wplus[:, 1, :3].numpy() == pytest.approx(np.array([right for _, right in colours]), abs=0.05)


def test_no_colour_fades_in(painted, monkeypatch):
    faces, fading = painted[0], []
    for rounds in (0, 14):
        monkeypatch.setattr(footage, "FIRST_ROUNDS", rounds)
        short = replace(OPTIONS, steps=4, learning_rate=0.02)
        wplus = footage.refine(Painter(), path(5), [faces[0]] * 5, POINTS, PRIOR, short, stretch=ONE).wplus
        fading.append(float((wplus[0] - wplus[-1]).abs().max()))
    assert fading[0] > 0.2 and fading[1] < 0.05


def test_neighbours_hold_a_code_where_one_frame_is_noisy(painted, monkeypatch):
    faces, tremor = painted[0], []
    faces = [faces[0], faces[0], picture((0.9, 0.9, 0.9), (0.9, 0.9, 0.9)), faces[0], faces[0]]
    for weight in (0.0, 20.0):
        monkeypatch.setattr(footage, "NEIGHBOUR_WEIGHT", weight)
        found = footage.refine(Painter(), path(5), faces, POINTS, PRIOR, OPTIONS, stretch=ONE)
        tremor.append(found.figures["tremor"])
    assert tremor[1] < 0.5 * tremor[0]


def test_the_motion_of_the_path_is_where_a_frame_starts(painted):
    faces, colours = painted
    moving = path(5)
    moving.wplus[:, 0, :3] = torch.tensor([left for left, _ in colours])
    moving.wplus[:, 1, :3] = torch.tensor([right for _, right in colours])
    found = footage.refine(
        Painter(), moving, faces, POINTS, PRIOR, replace(OPTIONS, steps=1, learning_rate=1e-6), stretch=ONE
    )
    assert found.loss.max() < 0.01


def test_what_lies_beside_the_face_counts_less(painted, monkeypatch):
    faces, missed = painted[0], []
    beside = np.where(paste.face_mask(FACE[None], WFLW98, size=SIDE)[..., None] > 0, faces[0], 255)
    beside = beside.astype(np.uint8)
    for weight in (1.0, 0.0):
        monkeypatch.setattr(footage, "OUTSIDE_WEIGHT", weight)
        found = footage.refine(Painter(), path(5), [beside] * 5, POINTS, PRIOR, OPTIONS, stretch=ONE)
        missed.append(float((found.wplus[-1, 0, :3] - torch.tensor([0.2, 0.1, -0.3])).abs().max()))
    assert missed[1] < 0.5 * missed[0]


def test_nothing_of_a_shot_is_left_in_the_next_one(painted, monkeypatch):
    monkeypatch.setattr(footage, "NEIGHBOUR_WEIGHT", 20.0)  # holds codes together
    short = replace(OPTIONS, steps=10)
    one, other = picture((0.2, 0.1, -0.3), (0.1, 0.3, 0.2)), picture((-0.8, 0.6, 0.7), (0.9, -0.7, -0.6))
    stretch = np.array([0, 0, 1, 1, 1])
    faces = [one, one, other, other, other]
    both = footage.refine(Painter(), path(5), faces, POINTS, PRIOR, short, stretch=stretch).wplus
    alone = footage.refine(Painter(), path(3), faces[2:], POINTS[:3], PRIOR, short, stretch=ONE[:3]).wplus
    torch.testing.assert_close(both[2:], alone)
    joined = footage.refine(Painter(), path(5), faces, POINTS, PRIOR, short, stretch=ONE).wplus
    assert (joined[2:] - alone).abs().max() > 0.2


def test_what_comes_before_a_face_is_not_learned_and_is_kept_apart(painted, monkeypatch):
    face = picture((0.2, 0.1, -0.3), (0.1, 0.3, 0.2))
    hand = face.copy()
    hand[:, 26:34] = (10, 10, 10)  # down the middle of the face
    monkeypatch.setattr(footage, "FIRST_ROUNDS", 3)
    few = replace(OPTIONS, steps=15)
    found = footage.refine(
        Painter(), path(5), [face, face, hand, hand, face], POINTS, PRIOR, few, stretch=ONE
    )
    still = footage.refine(Painter(), path(5), [face] * 5, POINTS, PRIOR, few, stretch=ONE)
    assert (found.wplus - still.wplus).abs().max() < 0.1
    middle = found.hidden[:, 28:36, 29:32].mean(axis=(1, 2))
    assert middle[[2, 3]].min() > 0.9 and not found.hidden[[0, 1, 4]].any() and not still.hidden.any()
