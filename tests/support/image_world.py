"""A generator, a detector with gradients and an identity network of which every answer is linear in w.

w holds a shift of the face to the right and down, a gap of the lips, a colour that is the person's, a grey
that covers the whole picture, and a number that is seen nowhere. A face is as far off as its w says.
"""

import numpy as np
import torch

from d2a_core.directions.ball import Ball
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.fan.image_loss import ImageLoss, Weights
from d2a_core.fan.network import Architecture, Fan
from d2a_core.generator.latent_prior import LatentPrior

SIZE, LAYERS, WIDTH = 64, 8, 6
REST = torch.from_numpy((0.25 * template_of(WFLW98)[:, :2] + [0.5, 0.4]).astype(np.float32))
OCULAR = (REST[60] - REST[72]).norm().item()
GAIN = 0.02  # how far one unit of w moves the face, or parts the lips
CROP_ERROR = 0.05  # of the way that a crop lies aside, by which the face is seen aside
LOWER_LIP = [93, 94, 95]
MIDDLE_GREY = 128 / 127.5 - 1  # which a file holds as it is
DEVIATION = torch.tensor([1.0, 1.0, 1.0, 2.0, 1.0, 0.5])
PRIOR = LatentPrior(torch.zeros(WIDTH), torch.eye(WIDTH), DEVIATION)
BALL = Ball(torch.zeros(WIDTH), radius=50.0, reach=50.0)
RIGHT, DOWN, GAP, PERSON, GREY, UNSEEN = range(WIDTH)
ARCHITECTURE = Architecture(98, LAYERS, 0, 32, 1.0, 2, width=24, depth=0, input="coordinates", w_dim=WIDTH)


def basis():
    """Pictures [6, 3, S, S] that one unit of each number in w adds."""
    pictures = torch.zeros(WIDTH, 3, SIZE, SIZE)
    for number, row in ((RIGHT, 32), (DOWN, 34), (GAP, 36)):
        pictures[number, 0, row, 30], pictures[number, 0, row, 34] = 0.05, -0.05
    pictures[PERSON, 2] = 0.3
    pictures[GREY] = 0.1
    return pictures


class ImageWorld:
    """A generator and a detector in one; a look to one side errs by `bias` to that side."""

    name, scheme = "made-up", WFLW98
    num_layers, z_dim, w_dim, resolution, batch, device = 10, WIDTH, WIDTH, SIZE, 4, "cpu"
    mean_w = torch.zeros(WIDTH)

    def __init__(self, bias=0.0):
        self.bias, self.basis = bias, basis()

    def map(self, z):
        return z

    def around(self, wplus):
        return self

    def synthesize(self, wplus, size=None, consultation=None):
        return MIDDLE_GREY + torch.einsum("nk,kchw->nchw", wplus[:, :LAYERS].mean(dim=1), self.basis)

    def regions(self, images):
        return torch.tensor([[SIZE / 2, SIZE / 2, SIZE, 0.0]]).repeat(len(images), 1)

    def points(self, images, regions, *, look="both"):
        right, down, gap = ((images[:, 0, row, 30] - images[:, 0, row, 34]) * 10 for row in (32, 34, 36))
        aside = {"both": 0.0, "straight": self.bias, "mirrored": -self.bias}[look]
        off = CROP_ERROR * (regions[:, :2] / SIZE - 0.5)
        points = REST + (GAIN * torch.stack((right + aside, down), dim=1) + off)[:, None]
        parted = torch.zeros(98, 2)
        parted[LOWER_LIP, 1] = GAIN
        return points + gap[:, None, None] * parted

    def detect(self, images):
        floats = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
        points = self.points(floats, self.regions(floats)).numpy()
        found = np.ones(len(images), bool)
        return Detections(points, found.astype(np.float32), found, np.zeros((len(images), 3)), points)


class MeasuredWorld(ImageWorld):
    """One whose detector tells the shape in inter-ocular distances, as real ones do, and the head's turn.

    The head is `turned` to the right by so many degrees, whatever its w. A `hidden` face is not seen.
    """

    turned, hidden = 0.0, False

    def detect(self, images):
        seen = super().detect(images)
        angles = np.zeros((len(images), 3), np.float32)
        angles[:, 0] = self.turned
        canonical = (seen.points - np.float32([0.5, 0.4])) / 0.25
        return Detections(seen.points, seen.score, seen.found & (not self.hidden), angles, canonical)


def identity(chips):
    """A person is how much bluer than green the chip is: one number."""
    mean = chips.mean(dim=(2, 3)) / 127.5
    return [], mean[:, 2:] - mean[:, 1:2]


def weights(**given):
    """Weights of a loss with these terms alone."""
    return Weights(
        **{**dict.fromkeys(("landmarks", "features", "identity", "outside", "colour", "prior"), 0.0), **given}
    )


ALL = Weights(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


def loss_of(terms=ALL, world=None):
    """The loss with weights of its `terms`."""
    world = world or ImageWorld()
    return ImageLoss(world, world, identity, PRIOR, terms, size=SIZE)


def codes(count, seed=0, scale=0.5):
    """Codes W+ [N, 10, 6], each the same in all layers."""
    w = scale * torch.randn(count, 1, WIDTH, generator=torch.Generator().manual_seed(seed))
    return w.repeat(1, ImageWorld.num_layers, 1)


def seen(wplus):
    """Where the face of W+ [N, 10, 6] lies: [N, 98, 2]."""
    world = ImageWorld()
    image = world.synthesize(wplus)
    return world.points(image, world.regions(image))


def faces(loss, wplus):
    """Faces with these codes."""
    return loss.faces(wplus, seen(wplus).numpy())


def step(**numbers):
    """Δw [1, 8, 6] with these numbers, the same in all layers."""
    delta = torch.zeros(1, LAYERS, WIDTH)
    for name, value in numbers.items():
        delta[..., globals()[name.upper()]] = value
    return delta


def base_fan(seed=0):
    """A FAN that answers with small steps."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fan = Fan(ARCHITECTURE)
        torch.nn.init.normal_(fan.head.weight, std=0.02)
    fan.standardise(seen(codes(64, 1)), seen(codes(64, 2)))
    return fan.eval()


class ShareOfTheWay(torch.nn.Module):
    """A FAN that answers with a share of the true shift."""

    architecture = ARCHITECTURE

    def __init__(self, share):
        super().__init__()
        self.share = share

    def forward(self, source, target, code):
        way = (target - source).mean(dim=1) / GAIN
        delta = torch.zeros(len(source), LAYERS, WIDTH)
        delta[..., [RIGHT, DOWN]] = self.share * way[:, None]
        return delta
