import numpy as np
import pyarrow
import pytest
import torch

from d2a_core.animation import animations
from d2a_core.directions.ball import Ball
from d2a_core.evaluation import disentanglement
from d2a_core.faces import geometry
from d2a_core.faces.heads import lift
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.fan import closed_loop
from d2a_core.fan.network import Architecture
from d2a_core.store import tables

FACE = template_of(WFLW98)
LOWER = [*range(83, 88), *range(93, 96)]
OPEN, TURN = 0.05, 10.0  # per unit of w
SETTINGS = animations.Options(
    motion="relative", neutral_s=0.0, rest_lips="source", motion_scale=1.0, pose_scale=1.0,
    expression_scale=1.0, fan="all", poses=3, refinements=0, min_cutoff_hz=2.0, beta=20.0,
    fps=None, slow_motion=1.0, loop=False, surroundings="photo", crf=16,
)  # fmt: skip


def shape(gap):
    face = FACE.copy()
    face[LOWER, 1] += gap
    return face


def picture(yaw, gap):
    return (0.25 * (shape(gap) @ geometry.rotation_matrix(yaw, 0, 0).T)[:, :2] + [0.5, 0.4]).astype(
        np.float32
    )


class World:
    """A generator and a detector in one: w begins with the turn of the head and the gap of the mouth."""

    num_layers, w_dim, resolution, batch = 16, 512, 8, 4
    scheme = WFLW98

    def synthesize(self, wplus, size=None, consultation=None):
        image = torch.zeros(len(wplus), 3, 8, 8)
        image[:, :2] = (wplus[:, 0, :2] / 8).clamp(-1, 1)[:, :, None, None]
        return image

    def detect(self, images):
        turn, gap = ((images[:, 0, 0, :2].astype(np.float32) / 127.5 - 1) * 8).T
        points = np.stack([picture(TURN * a, OPEN * b) for a, b in zip(turn, gap, strict=True)])
        angles = np.zeros((len(images), 3), np.float32)
        angles[:, 0] = TURN * turn
        canonical = np.stack([shape(OPEN * b)[:, :2] for b in gap])
        seen = np.ones(len(images), bool)
        return Detections(points, seen.astype(np.float32), seen, angles, canonical.astype(np.float32))


class Network(torch.nn.Module):
    """Turns the head and opens the mouth as asked, and a share `leak` of the one with the other."""

    architecture = Architecture(98, 8, 0, 32, 1.0, 2, 8, 1)

    def __init__(self, leak):
        super().__init__()
        self.leak = leak

    def forward(self, source, target, code):
        heads = [lift(points.numpy(), WFLW98) for points in (source, target)]
        turn = np.subtract(*(geometry.angles_of(head.rotation)[:, 0] for head in heads[::-1])) / TURN
        gaps = [head.shape[:, 94, 1] - head.shape[:, 90, 1] for head in heads]
        delta = torch.zeros(len(source), 8, 512)
        delta[..., 0] = torch.tensor(turn)[:, None]
        delta[..., 1] = torch.tensor((gaps[1] - gaps[0]) / OPEN + self.leak * turn)[:, None]
        return delta


def table(turns, gaps):
    points = np.stack([picture(turn, gap) for turn, gap in zip(turns, gaps, strict=True)])
    canonical = np.stack([shape(gap)[:, :2] for gap in gaps])
    still = np.zeros(len(turns), np.float32)
    return pyarrow.table(
        {
            "found": np.ones(len(turns), bool),
            "score": still,
            "time_s": np.arange(len(turns)) / 25,
            "points": tables.points_column(points),
            "canonical": tables.points_column(canonical),
            "yaw": np.array(turns, np.float32),
            "pitch": still,
            "roll": still,
        }
    )


@pytest.fixture(scope="module")
def rows():
    world = World()
    ball = Ball(torch.zeros(512), radius=100.0, reach=100.0)
    animator = closed_loop.Animator(world, world, Network(0.0), ball, size=8)
    clip = table(np.linspace(0, 15, 6), np.linspace(0, 0.15, 6) * [0, 1, 1, 0, 1, 1])
    return disentanglement.measure(
        animator,
        {"pure": disentanglement.Way(Network(0.0)), "leaky": disentanglement.Way(Network(0.6))},
        np.zeros((3, 16, 512), np.float32),
        pyarrow.concat_tables([table([0], [0]), table([20], [0]), table([0], [0])]),
        {"clip": clip},
        np.full(len(geometry.ATTRIBUTES), OPEN, np.float32),
        disentanglement.Options(sources=2, frames=6),
        SETTINGS,
    )


def test_a_pure_network_moves_what_is_driven_and_nothing_else(rows):
    found = {(row.fan, row.driven, row.part): row for row in disentanglement.summary(rows)}
    assert found["pure", "pose", "head"].along == pytest.approx(1, abs=0.05)
    assert found["pure", "pose", "mouth"].share < 0.1
    assert found["pure", "expression", "mouth"].along == pytest.approx(1, abs=0.1)
    assert found["pure", "expression", "head"].share < 0.05


def test_a_leak_of_the_head_into_the_mouth_is_measured_where_it_is(rows):
    found = {(row.fan, row.driven, row.part): row for row in disentanglement.summary(rows)}
    turned = np.linspace(0, 15, 6) / TURN
    asked = np.linspace(0, 0.15, 6) * [0, 1, 1, 0, 1, 1]
    true = 0.6 * OPEN * np.sqrt(np.square(turned).sum() / np.square(asked).sum())
    assert found["leaky", "pose", "mouth"].share == pytest.approx(true, rel=0.15)
    assert found["leaky", "expression", "head"].share < 0.05


def test_the_faces_that_are_turned_least_are_driven(rows):
    assert {row["source"] for row in rows} == {0, 2}


def test_there_is_a_row_for_each_network_source_half_and_part(rows):
    assert len(rows) == 2 * 2 * 2 * 4
    assert all(row["frames"] == 6 for row in rows)
    text = disentanglement.markdown(rows)
    assert text.count("| pure |") == text.count("| leaky |") == 8
