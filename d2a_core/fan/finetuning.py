"""Stage `fan`, fine-tuning on one source (paper, section 3.2, "Fine-tuning").

On pairs the inverted code ŵ takes the place of the random sources; all else is as in training. In image
space the one source is asked for the landmarks of many others, with the loss of that training. The landmarks
of the source are those of G(ŵ), not of the photo, or training and use would differ by the inversion's error.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import training
from d2a_core.directions.ball import Ball
from d2a_core.faces import dlib_identity, identity
from d2a_core.faces.geometry import normalized_mean_error
from d2a_core.fan import closed_loop, fan, image_space, pairs
from d2a_core.fan.conditioned import ConditionedFan
from d2a_core.fan.image_loss import ImageLoss
from d2a_core.fan.network import Fan
from d2a_core.generator import rendering
from d2a_core.runtime import Progress
from d2a_core.store.disk_rows import Rows
from d2a_core.training import Training

STAGE = "fine-tuning"  # its random numbers are none of those that augment sampled faces


@dataclass(frozen=True)
class Options:
    """Config section `fan.finetune`."""

    sources: str
    augmentations: int
    held_out: int
    pairs: int
    epochs: int
    samples: int
    learning_rate: float

    @property
    def drawn(self) -> int:
        """Faces drawn around a source, or goals asked of it."""
        return self.augmentations + self.held_out


def around(
    animator: closed_loop.Animator,
    code: NDArray,
    points: NDArray,
    directions: Mapping[str, NDArray],
    options: Options,
    *,
    group: str,
    seed: int,
    progress: Progress | None = None,
) -> fan.Faces:
    """Augment one source `code` [1, K, 512] with `points` [1, P, 2] by a direction group.

    State 0 is the source; the last `held_out` of the others are never trained on.
    """
    drawn = pairs.augment_codes(
        animator.generator,
        animator.detector,
        torch.from_numpy(code),
        directions,
        options.drawn,
        group=group,
        stage=STAGE,
        seed=seed,
        ids=[0],
        size=animator.size,
        progress=progress,
    )
    return replace(fan.faces([{"source_points": points, **drawn}]), code=torch.from_numpy(code[:, 0]))


def split(faces: fan.Faces, options: Options, *, seed: int) -> tuple[Tensor, Tensor]:
    """Pairs [n, 3] to learn from and [m, 3] to choose the epoch by: face 0, from, to.

    Every source → augmentation is among the former; the rest, up to `pairs`, are drawn from the ways between
    augmentations, which the closed loop needs. The latter lead from the source to what was held out.
    """
    known = faces.found[0].nonzero().flatten()
    learn = known[known <= options.augmentations]
    held = known[known > options.augmentations]
    if len(learn) < 3 or not len(held):
        raise ValueError(
            f"a face was found on {len(known) - 1} of {faces.found.shape[1] - 1} augmentations, too few to "
            "fine-tune on; choose another source or set fan.finetune.sources to none"
        )
    between = torch.cartesian_prod(learn, learn)
    between = between[(between[:, 0] != between[:, 1]) & (between[:, 0] > 0)]
    order = torch.randperm(len(between), generator=torch.Generator().manual_seed(seed))
    spare = max(0, options.pairs - len(learn) + 1)
    chosen = torch.cat((_from_source(learn[learn > 0]), between[order[:spare]]))
    return _of_face_0(chosen), _of_face_0(_from_source(held))


def _from_source(states: Tensor) -> Tensor:
    return torch.stack((torch.zeros_like(states), states), dim=1)


def _of_face_0(ways: Tensor) -> Tensor:
    return torch.cat((torch.zeros_like(ways[:, :1]), ways), dim=1)


def tune(
    base: Fan | ConditionedFan,
    faces: fan.Faces,
    training_options: fan.Options,
    options: Options,
    *,
    device: str,
    resume: dict | None = None,
    save: Callable[[dict], None] = lambda state: None,
    log: logging.Logger,
) -> Training[Fan | ConditionedFan]:
    """Go on training `base` on the pairs of `split`; epoch 0 of the history is `base` itself.

    When no epoch beats it on the held-out pairs, the base weights are kept.
    """
    settings = replace(training_options, epochs=options.epochs, learning_rate=options.learning_rate)
    learn, held = split(faces, options, seed=settings.seed)
    run = fan.go_on(base, settings)
    run.best = {name: value.clone() for name, value in base.state_dict().items()}
    figures = fan.evaluate(base, faces, held, settings, device=device)
    run.history = [{"epoch": 0, "learning_rate": 0.0, "training_loss": figures["validation_loss"], **figures}]
    task = fan.task(base, faces, learn, held, settings, device=device)
    return training.run(run, task, settings, resume=resume, save=save, log=log)


def tune_in_image_space(
    base: ConditionedFan,
    goals: image_space.Goals,
    loss: ImageLoss,
    ball: Ball,
    image_options: image_space.Options,
    options: Options,
    *,
    resume: dict | None = None,
    save: Callable[[dict], None] = lambda state: None,
    log: logging.Logger,
) -> Training[ConditionedFan]:
    """Go on training `base` on the `goals` of one source; epoch 0 of the history is `base` itself.

    When no epoch beats it on the goals held out, the base weights are kept.
    """
    settings = replace(
        image_options,
        samples=options.samples,
        epoch=math.ceil(options.samples / options.epochs),
        held_out=options.held_out,
        learning_rate=options.learning_rate,
    )
    run = image_space.go_on(base, settings)
    task = image_space.task(base, goals, loss, ball, settings)
    run.best = {name: value.clone() for name, value in base.state_dict().items()}
    base.eval()
    with torch.no_grad():
        figures = task.evaluate()
    before = {name.replace("validation", "training"): value for name, value in figures.items()}
    run.history = [{"epoch": 0, "learning_rate": 0.0, **before, **figures}]
    return training.run(run, task, settings, resume=resume, save=save, log=log)


def asked(points: NDArray, goal: NDArray) -> fan.Faces:
    """One source with `points` [1, P, 2] and the `goal` [1, G, P, 2] asked of it, as `compare` reads them."""
    states = torch.from_numpy(np.concatenate((points[:, None], goal), axis=1)).float()
    return fan.Faces(states, Rows(()), torch.ones(states.shape[:2], dtype=torch.bool))


def compare(
    animator: closed_loop.Animator,
    tuned: Fan | ConditionedFan,
    code: NDArray,
    faces: fan.Faces,
    embedder: dlib_identity.DlibEmbedder,
    options: Options,
) -> dict[str, object]:
    """Compare both networks on each held-out augmentation: open loop from the source, seen on drafts.

    `nme` against the landmarks asked for (inter-ocular), `csim` between the source and the result.
    """
    held = faces.found[0].nonzero().flatten()
    target = faces.points[0, held[held > options.augmentations]].numpy()
    source = np.broadcast_to(faces.points[0, :1].numpy(), target.shape)
    wplus = torch.from_numpy(code).expand(len(target), -1, -1)
    start = rendering.render(animator.generator, torch.from_numpy(code), animator.size)
    known = embedder.embed(start, source[:1]).repeat(len(target), axis=0)
    rows = []
    for network in (animator.fan, tuned):
        driven = replace(animator, fan=network)
        path = next(closed_loop.drive(driven, wplus, source, target, passes=0))
        images = rendering.render(animator.generator, rendering.apply(wplus, path.delta), animator.size)
        seen = animator.detector.detect(images)
        likeness = identity.cosine_similarity(known, embedder.embed(images, seen.points))
        rows.append((normalized_mean_error(seen.points, target), likeness))
    return {
        "network": ["base"] * len(target) + ["finetuned"] * len(target),
        "target": np.tile(np.arange(len(target)), 2),
        "nme": np.concatenate([error for error, _ in rows]),
        "csim": np.concatenate([likeness for _, likeness in rows]),
    }


def summary(rows: Mapping[str, object]) -> str:
    """Means over the held-out augmentations as `name=value`, for the log."""
    networks = np.array(rows["network"])
    parts = [
        f"{figure}_{name}={np.nanmean(np.asarray(rows[figure])[networks == name]):.4f}"
        for figure in ("nme", "csim")
        for name in ("base", "finetuned")
    ]
    return " ".join(parts)
