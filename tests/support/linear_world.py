"""A generator, a detector and a FAN of which every answer is known on paper."""

import numpy as np
import torch

from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.fan.network import Architecture

REST = (0.25 * template_of(WFLW98)[:, :2] + [0.5, 0.4]).astype(np.float32)
GAIN = 0.02  # how far one unit of w moves all points


class LinearWorld:
    """A generator and a detector in one: w's first two channels, seen through pixels, shift the face."""

    num_layers, z_dim, w_dim, resolution, batch = 16, 512, 512, 8, 4
    scheme = WFLW98
    mean_w = torch.zeros(512)

    def __init__(self, blind=()):
        self.blind, self.looks = set(blind), 0

    def synthesize(self, wplus, size=None, consultation=None):
        shift = wplus[:, :8].mean(dim=1)[:, :2]
        image = torch.zeros(len(wplus), 3, 8, 8)
        image[:, :2] = (shift / 8).clamp(-1, 1)[:, :, None, None]
        return image

    def detect(self, images):
        shift = (images[:, 0, 0, :2].astype(np.float32) / 127.5 - 1) * 8
        points = REST + GAIN * shift[:, None]
        found = np.array([self.looks + i not in self.blind for i in range(len(images))])
        self.looks += len(images)
        points[~found] = np.nan
        return Detections(points, found.astype(np.float32), found, np.zeros((len(images), 3)), points)


class TimidFan(torch.nn.Module):
    """Answers with a share of the true step, so that a second pass has something left to do."""

    architecture = Architecture(98, 8, 0, 32, 1.0, 2, 8, 1)

    def __init__(self, share):
        super().__init__()
        self.share = share

    def forward(self, source, target, code):
        delta = torch.zeros(len(source), 8, 512)
        delta[..., :2] = self.share * ((target - source).mean(dim=1) / GAIN)[:, None]
        return delta
