"""A made-up generator of faces whose latents turn the head and open the mouth, and its controls."""

import numpy as np
import torch

from d2a_core.directions import ball, controls
from d2a_core.directions.ball import Ball
from d2a_core.directions.controls import Looker
from d2a_core.directions.sliders import Measured
from d2a_core.faces import geometry
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98

FACE = template_of(WFLW98)
LOWER = [*range(83, 88), *range(93, 96)]
TURN, OPEN = 10.0, 0.05  # degrees and inter-ocular distances of one unit of w
LAYERS, WIDTH, MOST = 4, 6, 4.0
OPTIONS = controls.Options(faces=2, seed=0)
BALL = Ball(torch.zeros(WIDTH), radius=10.0, reach=10.0)
YAW, MOUTH = (geometry.ATTRIBUTES.index(name) for name in ("yaw", "mouth_opening"))


class World:
    """A generator and a detector in one: the first entries of layer 0 turn the head and open the mouth."""

    num_layers, w_dim, z_dim, resolution, batch = LAYERS, WIDTH, WIDTH, 8, 8
    scheme, mean_w = WFLW98, torch.zeros(WIDTH)

    def __init__(self, gain=1.0):
        self.gain = gain  # of the turn: some heads turn less than others

    def map(self, z):
        return z.clamp(-0.5, 0.5)

    def synthesize(self, wplus, size=None, consultation=None):
        image = torch.zeros(len(wplus), 3, 8, 8)
        image[:, :2] = (wplus[:, 0, :2] / MOST).clamp(-1, 1)[:, :, None, None]
        return image

    def detect(self, images):
        turn, gap = ((images[:, 0, 0, :2].astype(np.float32) / 127.5 - 1) * MOST).T
        shape = np.repeat(FACE[None], len(images), axis=0)
        shape[:, LOWER, 1] += OPEN * gap[:, None]
        angles = np.zeros((len(images), 3), np.float32)
        angles[:, 0] = self.gain * TURN * turn
        seen = np.ones(len(images), bool)
        points = (0.25 * shape[..., :2] + [0.5, 0.4]).astype(np.float32)
        return Detections(points, seen.astype(np.float32), seen, angles, shape[..., :2].astype(np.float32))


def store():
    """Directions that turn the head and open the mouth a little, open the mouth, and do nothing."""
    vector = np.zeros((3, LAYERS, WIDTH), np.float32)
    vector[0, :, 0], vector[0, :, 1] = 1.0, 0.5
    vector[1, :, 1] = 1.0
    vector[2, :, 2] = 1.0
    effect = np.zeros((3, len(geometry.ATTRIBUTES)), np.float32)
    effect[:, YAW], effect[:, MOUTH] = TURN * vector[:, 0, 0], OPEN * vector[:, 0, 1]
    deviation = np.zeros(len(geometry.ATTRIBUTES), np.float32)
    deviation[[YAW, MOUTH]] = 15.0, 0.04
    limits = ball.measure(np.eye(WIDTH) * 3, np.zeros(WIDTH), radius_quantile=1.0, reach=1.0)
    return {"vector": vector, "effect": effect, "deviation": deviation, **limits}


def slope():
    """Supposed slopes of the attributes in each layer: a turn that opens the mouth, in all layers."""
    values = np.zeros((len(geometry.ATTRIBUTES), LAYERS, WIDTH), np.float32)
    values[YAW, :, 0], values[MOUTH, :, 1] = TURN / 15.0 / LAYERS, OPEN / 0.04 / LAYERS
    values[YAW, :, 1] = 0.2
    return values


def looker(world: World) -> Looker:
    """Looks at the faces of a world, on drafts of 8 px."""
    return Looker(world, world, BALL, 8)


def measured(looker: Looker) -> Measured:
    """Controls made on typical faces, and their effect on others."""
    made_on, measured_on = controls.faces(looker.generator, OPTIONS)
    vector = controls.build(looker, store(), slope(), made_on)
    return controls.measure(looker, store(), vector, measured_on)
