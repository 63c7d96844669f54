"""Stage `goals`: faces that FAN learns to move in image space, and the landmarks that are asked of them.

The paper learns from random steps whose landmarks are measured. Here it is the other way round: landmarks are
asked for, and the step that leads to them, and changes nothing else, is learned through the generator
(StyleMask, Bounareli et al., FG 2023; HyperReenact, ICCV 2023).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation import motion
from d2a_core.animation.motion import Transfer
from d2a_core.faces import landmarks, moves
from d2a_core.faces.heads import lift, project
from d2a_core.faces.landmarks import Detections, LandmarkDetector
from d2a_core.faces.schemes import scheme_of
from d2a_core.generator import rendering, seeds
from d2a_core.generator.generator import Generator
from d2a_core.generator.latent_prior import LatentPrior
from d2a_core.runtime import Progress

TRUNCATION = (0.5, 1.0)  # range of ψ of sampled codes
INVERTED = 0.5  # share of the codes that are made as inversion makes them
CODE_LENGTH = (0.8, 1.4)  # range of their lengths, in those of sampled ones
LATE_LAYERS, LATE_DEVIATIONS = slice(8, 11), 0.8  # of theirs that go their own way, and how far
ABSOLUTE = 0.4  # share of goals that are another face's landmarks, proportions too; the rest is its motion
REST_LIPS = 0.5  # share of these that start from closed lips
PART_OF_THE_WAY, LEAST_WAY = 0.5, 0.3  # share of goals that go less than all of the way, and how little
EXTRA, EXTRA_MOVE = 0.5, 0.35  # share of goals with more moves on top, and of them those with each move
EXTRA_MOVES = {  # ranges of what sampled faces seldom do: close their eyes, wink, raise brows, look aside
    "left_eye_closed": (0.0, 1.0),
    "right_eye_closed": (0.0, 1.0),
    "brows_up": (-0.06, 0.12),
    "mouth_open": (0.0, 0.35),
    "gaze_x": (-0.08, 0.08),
    "gaze_y": (-0.04, 0.04),
}
EYES = ("left_eye_closed", "right_eye_closed")
BOTH_EYES = 0.5  # share of closing eyes that close together
GROUPS = {"all": (1.0, 1.0), "pose": (1.0, 0.0), "expression": (0.0, 1.0)}  # shares of pose and expression


@dataclass(frozen=True)
class Plan:
    """Recipe of one shard of goals: `faces` drawn, `per_face` goals for each, of a direction group."""

    shard: int
    group: str
    faces: int
    per_face: int
    seed: int

    @property
    def ids(self) -> range:
        """Numbers of the faces."""
        return range(self.shard * self.faces, (self.shard + 1) * self.faces)


def draw(
    generator: Generator,
    detector: LandmarkDetector,
    prior: LatentPrior,
    targets: Detections,
    plan: Plan,
    *,
    size: int,
    progress: Progress | None = None,
) -> dict[str, NDArray]:
    """Draw the faces of a shard and ask for `per_face` changes of each: S faces, G goals.

    `targets` are sampled faces whose landmarks are asked for. Returns `wplus` [S, K, 512], `image` u1
    [S, size, size, 3], `points` [S, P, 2], `found` [S] and `goal` [S, G, P, 2], NaN where no face was found.
    What a face gives depends on the seed and its number alone.
    """
    wplus, images, parts = codes(generator, prior, plan), [], []
    for chunk in wplus.split(generator.batch):
        images.append(rendering.render(generator, chunk, size))
        parts.append(detector.detect(images[-1]))
        if progress is not None:
            progress.advance(len(chunk))
    seen, known = landmarks.join(parts), targets.rows(targets.found)
    goal = np.full((plan.faces, plan.per_face, *seen.points.shape[1:]), np.nan, np.float32)
    for row in np.flatnonzero(seen.found):
        rng = np.random.default_rng((plan.seed, plan.ids[row]))
        goal[row] = np.stack(list(ask(seen.rows([row]), known, plan, rng)))
    return {
        "wplus": wplus.numpy(),
        "image": np.concatenate(images),
        "points": seen.points,
        "found": seen.found,
        "goal": goal,
    }


def of_source(source: Detections, targets: Detections, plan: Plan) -> NDArray[np.float32]:
    """Landmarks [1, G, P, 2] asked of one face `source` [1]: `plan.per_face` of them."""
    rng = np.random.default_rng((plan.seed, plan.shard))
    return np.stack(list(ask(source, targets.rows(targets.found), plan, rng)))[None].astype(np.float32)


def codes(generator: Generator, prior: LatentPrior, plan: Plan) -> Tensor:
    """Codes W+ [S, K, 512] of the faces of a shard: sampled ones, and such as inversion makes of photos.

    An inverted code lies off the image of the mapping network: here it is the sum of two sampled ones in the
    whitened space of W, as long as one of them or longer. Some of its late layers go their own way.
    """
    ids, width = plan.ids, generator.z_dim
    late = range(generator.num_layers)[LATE_LAYERS]
    z = torch.from_numpy(seeds.normal("goals", plan.seed, ids, 2 * width))
    own = torch.from_numpy(seeds.normal("goals: late layers", plan.seed, ids, len(late) * generator.w_dim))
    kind, psi, length = torch.from_numpy(seeds.uniform("goals: codes", plan.seed, ids, 3)).T[..., None]
    with torch.no_grad():
        one, other = (prior.encode(generator.map(part).cpu()) for part in z.split(width, dim=1))
    psi, length = (low + (high - low) * u for u, (low, high) in ((psi, TRUNCATION), (length, CODE_LENGTH)))
    inverted = kind < INVERTED
    code = torch.where(inverted, length * (one + other) / 2**0.5, psi * one)
    layers = code[:, None].repeat(1, generator.num_layers, 1)
    layers[:, LATE_LAYERS] += (inverted * LATE_DEVIATIONS * own).unflatten(1, (len(late), generator.w_dim))
    return prior.decode(layers)


def ask(
    source: Detections, targets: Detections, plan: Plan, rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Landmarks [P, 2] asked of the face `source` [1], each after another of the `targets`."""
    scheme = scheme_of(source.points.shape[1])
    own = lift(source.points, scheme, source.angles)
    for other in rng.choice(len(targets.points), size=plan.per_face):
        target = targets.rows([other])
        driver = lift(target.points, scheme, target.angles)
        end = motion.goal(own, driver, _transfer(plan.group, rng))
        way = rng.uniform(LEAST_WAY, 1.0) if rng.random() < PART_OF_THE_WAY else 1.0
        goal = (source.points + way * (end - source.points)).astype(np.float64)
        values = _extra(rng)
        if values and plan.group != "pose":
            goal = project(moves.moved(lift(goal, scheme), values))
        yield goal[0]


def _transfer(group: str, rng: np.random.Generator) -> Transfer:
    pose, expression = GROUPS[group]
    kind = "absolute" if rng.random() < ABSOLUTE else "relative"
    return Transfer(kind, 1.0, pose, expression, "driver" if rng.random() < REST_LIPS else "source")


def _extra(rng: np.random.Generator) -> dict[str, float]:
    """Some of the `EXTRA_MOVES`, often none."""
    if rng.random() >= EXTRA:
        return {}
    values = {name: rng.uniform(*ends) for name, ends in EXTRA_MOVES.items() if rng.random() < EXTRA_MOVE}
    if values.keys() & set(EYES) and rng.random() < BOTH_EYES:
        values |= dict.fromkeys(EYES, rng.uniform())
    return values
