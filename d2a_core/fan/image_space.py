"""Stage `fan` in image space: FAN learns through the generator what equation 5 asks of w.

It starts from the FAN of equation 5, sees the source's code as well, and is told by the picture.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.directions.ball import Ball
from d2a_core.faces.landmarks import Look
from d2a_core.fan import image_loss
from d2a_core.fan.conditioned import ConditionedFan, Conditioning
from d2a_core.fan.image_loss import Faces, ImageLoss, Weights
from d2a_core.fan.network import Fan
from d2a_core.generator.latent_prior import LatentPrior
from d2a_core.training import Task, Training

CHART = {"title": "FAN in image space", "loss": "loss"}
GOAL_ARRAYS = ("wplus", "image", "points", "found", "goal")
BASE_SHARE = 0.1  # of the learning rate, for the FAN that it starts from
LONGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Options:
    """Config section `fan.image`."""

    samples: int
    epoch: int
    batch: int
    learning_rate: float
    weight_decay: float
    width: int
    depth: int
    sees_code: bool
    held_out: int
    landmarks_weight: float
    features_weight: float
    identity_weight: float
    outside_weight: float
    colour_weight: float
    prior_weight: float
    seed: int

    @property
    def epochs(self) -> int:
        """Times that the state is written and the held-out goals are measured."""
        return max(1, round(self.samples / self.epoch))

    @property
    def weights(self) -> Weights:
        """Weights of the loss."""
        return Weights(**{part.name: getattr(self, f"{part.name}_weight") for part in fields(Weights)})


@dataclass(frozen=True)
class Goals:
    """`faces` [S], and the landmarks `goal` [S, G, P, 2] that are asked of each."""

    faces: Faces
    goal: Tensor


def goals(stores: Iterable[Mapping[str, np.ndarray]], loss: ImageLoss) -> Goals:
    """Join the stores of the stage `goals`; faces that were not found are left out."""
    parts, drawn = [], 0
    for store in stores:
        drawn += len(store["found"])
        parts.append({name: store[name][store["found"]] for name in GOAL_ARRAYS})
    if not parts:
        raise ValueError("there is no store of goals to train FAN on; give one at least")
    joined = {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in GOAL_ARRAYS}
    if len(joined["found"]) < 2:  # one to learn from, one to choose the epoch by
        raise ValueError(
            f"a face was found on {len(joined['found'])} of {drawn} faces, too few to train FAN on; "
            "raise goals.faces"
        )
    faces = loss.known(joined["wplus"], joined["image"], joined["points"].float())
    return Goals(faces, joined["goal"].float().to(loss.generator.device))


def of_source(loss: ImageLoss, code: NDArray, points: NDArray, goal: NDArray) -> Goals:
    """The `goal` [1, G, P, 2] asked of a source with `code` [1, K, 512] and landmarks `points` [1, P, 2]."""
    faces = loss.faces(torch.from_numpy(code), points)
    return Goals(faces, torch.from_numpy(goal).to(loss.generator.device))


def start(base: Fan, prior: LatentPrior, options: Options, *, device: str) -> Training[ConditionedFan]:
    """Start from the FAN `base`; the weights of what is added follow `options.seed`."""
    sizes = Conditioning(base.architecture, options.width, options.depth, options.sees_code)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = ConditionedFan(sizes, base, prior).to(device)
    return go_on(network, options)


def go_on(network: ConditionedFan, options: Options) -> Training[ConditionedFan]:
    """Start a training run from the weights of `network`."""
    slow = [network.gain, *network.base.parameters()]
    known = set(map(id, slow))
    fresh = [parameter for parameter in network.parameters() if id(parameter) not in known]
    groups = [{"params": fresh, "share": 1.0}, {"params": slow, "share": BASE_SHARE}]
    optimizer = torch.optim.AdamW(
        groups, lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
    )
    return Training(network, optimizer)


def split(goals: Goals, options: Options) -> tuple[Tensor, Tensor]:
    """Rows [n, 2] (face, goal) to learn from and [m, 2] to choose the epoch by, of different faces.

    Of a single face, these are the last goals.
    """
    count, each = goals.goal.shape[:2]
    if count == 1:
        rows = torch.cartesian_prod(torch.zeros(1, dtype=torch.int64), torch.arange(each))
        return rows[: -options.held_out], rows[-options.held_out :]
    held = min(options.held_out, count // 2)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(options.seed))
    learn = torch.cartesian_prod(order[held:], torch.arange(each))
    return learn, torch.stack((order[:held], torch.zeros(held, dtype=torch.int64)), dim=1)


def task(network: ConditionedFan, goals: Goals, loss: ImageLoss, ball: Ball, options: Options) -> Task:
    """Image loss on goals, in a chance order; the best epoch is that on the held-out ones."""
    learn, held = split(goals, options)

    def terms(rows: Tensor, look: Look, jitter: Tensor | None) -> dict[str, Tensor]:
        faces, goal = goals.faces[rows[:, 0]], goals.goal[rows[:, 0], rows[:, 1]]
        delta = ball.renorm(network(faces.points, goal, faces.code), faces.wplus)
        return image_loss.means(loss, faces, delta, goal, loss.mask(faces, goal), look=look, jitter=jitter)

    def step(drawn: Tensor) -> dict[str, Tensor]:
        rows = learn[torch.randint(len(learn), (len(drawn),))]
        look = image_loss.LOOKS[int(torch.randint(len(image_loss.LOOKS), ()))]
        return terms(rows, look, torch.randn(len(rows), 4))

    def evaluate() -> dict[str, float]:
        figures = dict[str, float]()
        for rows in held.split(options.batch):
            for name, term in terms(rows, "both", None).items():
                key = f"validation_{name}"
                figures[key] = figures.get(key, 0.0) + term.item() * len(rows) / len(held)
        return {"validation_loss": sum(figures.values()), **figures}

    rows = torch.arange(min(options.epoch, options.samples))
    return Task("fan", rows, options.batch, step, evaluate, "samples", LONGEST_GRADIENT)
