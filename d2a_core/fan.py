"""Stage `fan`: train the facial action network on augmented pairs (paper, section 3.2, "Training")."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from d2a_core.networks.fan import Architecture, Fan
from d2a_core.pictures import line_chart
from d2a_core.runtime import Progress

PAIR_ARRAYS = ("source_points", "points", "delta", "found")
STANDARD_PAIRS = 2048  # pairs that give the readout its mean and deviation
VALIDATION_PAIRS = 4096  # at most, so that an epoch spends its time on training


@dataclass(frozen=True)
class Options:
    """Config section `fan`."""

    output: str
    heatmap_size: int
    heatmap_sigma: float
    frequencies: int
    width: int
    depth: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    dropout: float
    l2_weight: float
    validation_share: float
    seed: int


@dataclass(frozen=True)
class Faces:
    """Augmentations grouped by source face: row 0 of each group is the source itself.

    `points` [S, A, P, 2], `delta` [S, A, L, D] (zero in row 0), `found` [S, A].
    """

    points: Tensor
    delta: Tensor
    found: Tensor


def faces(stores: Sequence[Mapping[str, np.ndarray]]) -> Faces:
    """Join the pair stores of all shards; the source becomes state 0 of its group.

    The stores hold `source_points` [S, P, 2], `points` [S, A, P, 2], `delta` [S, A, L, D] and `found` [S, A].
    """
    joined = {name: np.concatenate([store[name] for store in stores]) for name in PAIR_ARRAYS}
    points = np.concatenate((joined["source_points"][:, None], joined["points"]), axis=1)
    delta = np.concatenate((np.zeros_like(joined["delta"][:, :1]), joined["delta"]), axis=1)
    found = np.concatenate((np.ones_like(joined["found"][:, :1]), joined["found"]), axis=1)
    return Faces(torch.from_numpy(points).float(), torch.from_numpy(delta), torch.from_numpy(found))


def log_cosh(x: Tensor) -> Tensor:
    """Log cosh x without overflow: |x| + log1p(exp(-2|x|)) - log 2."""
    return x.abs() + functional.softplus(-2 * x.abs()) - math.log(2)


def loss(predicted: Tensor, true: Tensor, *, l2_weight: float) -> Tensor:
    """Equation 5 on Δw [N, L, D]: log cosh summed over layers and channels, plus λ times the L2 norm.

    The paper does not say whether log cosh is summed or averaged; summed, both terms grow with the size
    of Δw and λ = 0.1 keeps the L2 norm the smaller one. Mean over the batch.
    """
    error = (predicted - true).flatten(1)
    norm = (error.square().sum(dim=1) + 1e-12).sqrt()
    return (log_cosh(error).sum(dim=1) + l2_weight * norm).mean()


def split_by_source(count: int, *, validation_share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of training and validation faces; a face never stands on both sides."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held = max(1, round(count * validation_share))
    if held >= count:
        raise ValueError(f"{count} source faces leave none to train on; raise pairs.sources")
    return order[held:], order[:held]


def ordered_pairs(faces: Faces, chosen: Tensor) -> Tensor:
    """Every ordered pair of two different states of one chosen face, [n, 3]: face, from, to.

    The source and each of its augmentations are equally good starting points, since their difference in
    w is known: m augmentations give m(m + 1) pairs for m renders. Pairs without a detected face are left out.
    """
    states = faces.found.shape[1]
    start, end = torch.where(~torch.eye(states, dtype=torch.bool))
    face = chosen.repeat_interleave(len(start))
    pairs = torch.stack((face, start.repeat(len(chosen)), end.repeat(len(chosen))), dim=1)
    known = faces.found[pairs[:, 0], pairs[:, 1]] & faces.found[pairs[:, 0], pairs[:, 2]]
    return pairs[known]


def batch_of(faces: Faces, pairs: Tensor, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Source points, target points [n, P, 2] and Δw [n, L, D] of `pairs` [n, 3]."""
    face, start, end = pairs.T
    delta = faces.delta[face, end] - faces.delta[face, start]
    return (
        faces.points[face, start].to(device),
        faces.points[face, end].to(device),
        delta.to(device),
    )


def build(options: Options, *, points: int, vector: Tensor) -> Fan:
    """An untrained FAN for `vector` [M, L, D]; the weights follow `options.seed`."""
    if options.output not in ("coefficients", "direct"):
        raise ValueError(f"fan.output is {options.output!r}; choose 'coefficients' or 'direct'")
    architecture = Architecture(
        points=points,
        layers=vector.shape[1],
        directions=len(vector) if options.output == "coefficients" else 0,
        heatmap_size=options.heatmap_size,
        heatmap_sigma=options.heatmap_sigma,
        frequencies=options.frequencies,
        width=options.width,
        depth=options.depth,
        dropout=options.dropout,
        w_dim=vector.shape[2],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        return Fan(architecture, vector)


@dataclass
class Training:
    """Everything that a resumed run needs to end with the weights of an uninterrupted one."""

    network: Fan
    optimizer: torch.optim.Optimizer
    epoch: int
    best: dict[str, Tensor]
    history: list[dict[str, float]]

    def state(self) -> dict:
        """All of it as plain values and tensors."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "best": self.best,
            "history": self.history,
        }

    def restore(self, state: Mapping) -> None:
        """Go on from a `state`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.best, self.history = state["epoch"], state["best"], state["history"]


def split(faces: Faces, options: Options) -> tuple[Tensor, Tensor]:
    """Ordered pairs [n, 3] to train on and to choose the epoch by, of different faces."""
    learn, held = split_by_source(
        len(faces.points), validation_share=options.validation_share, seed=options.seed
    )
    pairs, validation = ordered_pairs(faces, learn), ordered_pairs(faces, held)[:VALIDATION_PAIRS]
    if not len(pairs) or not len(validation):
        raise ValueError("no pair with two detected faces to train on; raise pairs.sources_per_shard")
    return pairs, validation


def start(faces: Faces, pairs: Tensor, vector: np.ndarray, options: Options, *, device: str) -> Training:
    """A training run on `pairs` [n, 3] before its first epoch; `vector` [M, L, D] are the directions."""
    network = build(options, points=faces.points.shape[2], vector=torch.from_numpy(vector)).to(device)
    sample = batch_of(faces, pairs[:: max(1, len(pairs) // STANDARD_PAIRS)], device)
    network.standardise(*sample[:2])
    return go_on(network, options)


def go_on(network: Fan, options: Options) -> Training:
    """A training run that continues from the weights of `network`."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    return Training(network, optimizer, epoch=0, best={}, history=[])


def train(
    training: Training,
    faces: Faces,
    pairs: Tensor,
    validation: Tensor,
    options: Options,
    *,
    device: str,
    resume: dict | None = None,
    save: Callable[[dict], None] = lambda state: None,
    log: logging.Logger,
) -> Training:
    """Run the epochs that are left on `pairs` [n, 3]; the best one on `validation` [m, 3] is `training.best`.

    `save` receives the whole state after every epoch and `resume` is such a state. Order and dropout are
    drawn anew in each epoch from (seed, epoch), so a run that was killed and resumed repeats the
    uninterrupted one.
    """
    if resume is not None:
        training.restore(resume)
        log.info("fan resumed epoch=%d/%d", training.epoch, options.epochs)
    total = options.epochs * len(pairs)
    progress = Progress(log, "fan", total, unit="pairs", done=training.epoch * len(pairs))
    for epoch in range(training.epoch, options.epochs):
        figures = run_epoch(training, faces, pairs, options, epoch=epoch, device=device, progress=progress)
        figures |= evaluate(training.network, faces, validation, options, device=device)
        if figures["validation_loss"] < min(
            (h["validation_loss"] for h in training.history), default=math.inf
        ):
            training.best = {name: value.clone() for name, value in training.network.state_dict().items()}
        training.history.append(figures)
        training.epoch = epoch + 1
        save(training.state())
        log.info("fan %s", " ".join(f"{name}={value:.4g}" for name, value in figures.items()))
    return training


def run_epoch(
    training: Training,
    faces: Faces,
    pairs: Tensor,
    options: Options,
    *,
    epoch: int,
    device: str,
    progress: Progress,
) -> dict[str, float]:
    """One pass over `pairs` [n, 3]; the learning rate falls along a half cosine over all epochs."""
    network = training.network.train()
    order = torch.randperm(
        len(pairs), generator=torch.Generator().manual_seed(options.seed * 100_003 + epoch)
    )
    batches = order.split(options.batch)
    total = 0.0
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if device == "cuda" else []):
        torch.manual_seed(options.seed * 100_003 + epoch)
        for index, chosen in enumerate(batches):
            rate = learning_rate(options, epoch + index / len(batches))
            for group in training.optimizer.param_groups:
                group["lr"] = rate
            source, target, delta = batch_of(faces, pairs[chosen], device)
            value = loss(network(source, target), delta, l2_weight=options.l2_weight)
            training.optimizer.zero_grad(set_to_none=True)
            value.backward()
            training.optimizer.step()
            total += value.item() * len(chosen)
            progress.advance(len(chosen), loss=value.item())
    return {"epoch": epoch + 1, "learning_rate": rate, "training_loss": total / len(pairs)}


def learning_rate(options: Options, epoch: float) -> float:
    """Linear warm-up over the first half epoch, then a half cosine to zero at the last."""
    return (
        options.learning_rate
        * min(1.0, 2 * epoch + 0.02)
        * 0.5
        * (1 + math.cos(math.pi * epoch / options.epochs))
    )


def evaluate(network: Fan, faces: Faces, pairs: Tensor, options: Options, *, device: str) -> dict[str, float]:
    """Validation loss and the share of Δw's energy that is predicted (1 is perfect, 0 is no motion)."""
    network.eval()
    losses, missed, energy = [], 0.0, 0.0
    with torch.no_grad():
        for chosen in pairs.split(512):
            source, target, delta = batch_of(faces, chosen, device)
            predicted = network(source, target)
            losses.append(loss(predicted, delta, l2_weight=options.l2_weight).item() * len(chosen))
            missed += (predicted - delta).square().sum().item()
            energy += delta.square().sum().item()
    return {"validation_loss": sum(losses) / len(pairs), "explained_energy": 1 - missed / energy}


def checkpoint(training: Training, provenance: Mapping) -> dict:
    """The best epoch as plain values and tensors: what `load` reads."""
    return {
        "architecture": asdict(training.network.architecture),
        "state": {name: value.cpu() for name, value in training.best.items()},
        "provenance": dict(provenance),
    }


def load(state: Mapping, *, device: str) -> Fan:
    """A trained FAN from a checkpoint written by `checkpoint`."""
    architecture = Architecture(**state["architecture"])
    network = Fan(architecture, state["state"].get("vector"))
    network.load_state_dict(state["state"])
    return network.to(device).eval()


def history_columns(training: Training) -> dict[str, np.ndarray]:
    """The loss curve as columns, one row an epoch."""
    return {name: np.array([row[name] for row in training.history]) for name in training.history[0]}


def loss_curve(history: Mapping[str, np.ndarray]) -> np.ndarray:
    """Training and validation loss over the epochs, as a picture u1 [H, W, 3]."""
    series = {name: (history["epoch"], history[f"{name}_loss"]) for name in ("training", "validation")}
    return line_chart(series, title="FAN", x_label="epoch", y_label="loss (equation 5)")
