import numpy as np
import pytest
import torch
from torch import nn

from d2a_core.faces.geometry import angles_of, rotation_matrix
from d2a_core.faces.heads import lift
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.fan import groups

FACE = template_of(WFLW98)
SMILE = np.zeros_like(FACE)
SMILE[76], SMILE[82] = (-0.05, -0.06, 0), (0.05, -0.06, 0)


def picture(shape, yaw):
    return 0.25 * (shape @ rotation_matrix(yaw, 0, 0).T)[:, :2] + [0.5, 0.4]


def tensor(*points):
    return torch.tensor(np.stack(points), dtype=torch.float32)


class Yaw(nn.Module):
    """Answers with the turn between two faces, in its only entry."""

    def forward(self, current, target, code):
        first, last = (angles_of(lift(x.numpy(), WFLW98).rotation)[:, 0] for x in (current, target))
        return torch.tensor(last - first).reshape(-1, 1, 1)


class Corners(nn.Module):
    """Answers with the widening of the mouth as it is seen from the front."""

    def forward(self, current, target, code):
        first, last = (lift(x.numpy(), WFLW98).shape for x in (current, target))
        change = (last - first)[:, 82, 0] - (last - first)[:, 76, 0]
        return torch.tensor(change, dtype=torch.float32).reshape(-1, 1, 1)


def test_a_face_is_turned_as_the_target_and_keeps_its_expression():
    current, target = tensor(picture(FACE + SMILE, 5)), tensor(picture(FACE, -20))
    assert groups.turn(current, target).numpy() == pytest.approx(picture(FACE + SMILE, -20)[None], abs=3e-3)


def test_each_group_is_asked_for_its_own_part_of_a_change():
    current, target = tensor(picture(FACE, 5)), tensor(picture(FACE + SMILE, -20))
    none, code = nn.Module(), torch.zeros(1, 512)
    none.forward = lambda current, target, code: torch.zeros(1, 1, 1)
    turned = groups.SplitFan(Yaw(), none)(current, target, code)
    smiled = groups.SplitFan(none, Corners())(current, target, code)
    assert turned.item() == pytest.approx(-25, abs=1)
    assert smiled.item() == pytest.approx(0.1, abs=0.02)


def test_a_face_that_was_not_found_stays_unknown_and_spares_the_others():
    current = tensor(picture(FACE, 5), np.full((98, 2), np.nan))
    turned = groups.turn(current, tensor(picture(FACE, 0), picture(FACE, 0)))
    assert turned[1].isnan().all() and turned[0].isfinite().all()
