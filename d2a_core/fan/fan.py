"""Stage `fan`: train the facial action network on augmented pairs (paper, section 3.2, "Training")."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from d2a_core import training
from d2a_core.fan import conditioned
from d2a_core.fan.conditioned import ConditionedFan
from d2a_core.fan.network import Architecture, Fan
from d2a_core.store.disk_rows import Rows
from d2a_core.training import Task, Training

PAIR_ARRAYS = ("source_points", "points", "delta", "found")
HEATMAP_SIGMA = 1.5  # px, width of a landmark's Gaussian; paper: –
FREQUENCIES = 3  # order of the cosines that the readout starts from
CHART = {"title": "FAN", "loss": "loss (equation 5)"}  # of its loss curve
STANDARD_PAIRS = 2048  # pairs that give the readout its mean and deviation
VALIDATION_PAIRS = 4096  # at most, so that an epoch spends its time on training


@dataclass(frozen=True)
class Options:
    """Config section `fan`."""

    output: str
    input: str
    heatmap_size: int
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
    """Augmentations grouped by source face: state 0 of each group is the source itself.

    `points` [S, A, P, 2], `found` [S, A], and `delta`, the S·A steps Δw [L, D] that lead to the states. A
    FAN that sees the source's code needs `code` [S, D], the w of each source, as well.
    """

    points: Tensor
    delta: Rows
    found: Tensor
    code: Tensor | None = None

    def steps(self, face: Tensor, state: Tensor) -> Tensor:
        """Δw [n, L, D] from the source of each `face` [n] to one of its `state`s [n]."""
        return torch.from_numpy(self.delta[(face * self.found.shape[1] + state).numpy()])


def faces(stores: Iterable[Mapping[str, np.ndarray]]) -> Faces:
    """Join the pair stores of all shards, of which one at a time is in memory.

    The stores hold `source_points` [S, P, 2], `points` [S, A, P, 2], `delta` [S, A, L, D] and `found` [S, A].
    The source becomes state 0 of its group.
    """
    points, found, delta = [], [], None
    for store in stores:
        steps = np.concatenate((np.zeros_like(store["delta"][:, :1]), store["delta"]), axis=1)
        delta = Rows(steps.shape[2:]) if delta is None else delta
        delta.append(steps.reshape(-1, *steps.shape[2:]))
        points.append(np.concatenate((store["source_points"][:, None], store["points"]), axis=1))
        found.append(np.concatenate((np.ones_like(store["found"][:, :1]), store["found"]), axis=1))
    if delta is None:
        raise ValueError("there is no store of pairs to train FAN on; give one at least")
    joined = (torch.from_numpy(np.concatenate(parts)) for parts in (points, found))
    return Faces(next(joined).float(), delta, next(joined))


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


def ordered_pairs(faces: Faces, chosen: Tensor) -> Tensor:
    """List every ordered pair of two different states of one chosen face, [n, 3]: face, from, to.

    The source and each of its augmentations are equally good starting points, since their difference in
    w is known: m augmentations give m(m + 1) pairs for m renders. Pairs without a detected face are left out.
    """
    states = faces.found.shape[1]
    start, end = torch.where(~torch.eye(states, dtype=torch.bool))
    face = chosen.repeat_interleave(len(start))
    pairs = torch.stack((face, start.repeat(len(chosen)), end.repeat(len(chosen))), dim=1)
    known = faces.found[pairs[:, 0], pairs[:, 1]] & faces.found[pairs[:, 0], pairs[:, 2]]
    return pairs[known]


def predict(network: Fan | ConditionedFan, faces: Faces, pairs: Tensor, device: str) -> tuple[Tensor, Tensor]:
    """Δw [n, L, D] that the network predicts of `pairs` [n, 3], and the true one."""
    source, target, delta = batch_of(faces, pairs, device)
    code = () if faces.code is None else (faces.code[pairs[:, 0]].to(device),)
    return network(source, target, *code), delta


def batch_of(faces: Faces, pairs: Tensor, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return source points, target points [n, P, 2] and Δw [n, L, D] of `pairs` [n, 3]."""
    face, start, end = pairs.T
    delta = faces.steps(face, end) - faces.steps(face, start)
    return (
        faces.points[face, start].to(device),
        faces.points[face, end].to(device),
        delta.to(device),
    )


def build(options: Options, *, points: int, vector: Tensor) -> Fan:
    """Make an untrained FAN for `vector` [M, L, D]; the weights follow `options.seed`."""
    if options.output not in ("coefficients", "direct"):
        raise ValueError(f"fan.output is {options.output!r}; choose 'coefficients' or 'direct'")
    if options.input not in ("heatmaps", "coordinates"):
        raise ValueError(f"fan.input is {options.input!r}; choose 'heatmaps' or 'coordinates'")
    architecture = Architecture(
        points=points,
        layers=vector.shape[1],
        directions=len(vector) if options.output == "coefficients" else 0,
        heatmap_size=options.heatmap_size,
        heatmap_sigma=HEATMAP_SIGMA,
        frequencies=FREQUENCIES,
        width=options.width,
        depth=options.depth,
        dropout=options.dropout,
        input=options.input,
        w_dim=vector.shape[2],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        return Fan(architecture, vector)


def split(faces: Faces, options: Options) -> tuple[Tensor, Tensor]:
    """Ordered pairs [n, 3] to train on and to choose the epoch by, of different faces."""
    count, share = len(faces.points), options.validation_share
    learn, held = training.split(count, validation_share=share, seed=options.seed)
    pairs, validation = ordered_pairs(faces, learn), ordered_pairs(faces, held)[:VALIDATION_PAIRS]
    if not len(pairs) or not len(validation):
        raise ValueError("no pair with two detected faces to train on; raise pairs.sources_per_shard")
    return pairs, validation


def start(faces: Faces, pairs: Tensor, vector: np.ndarray, options: Options, *, device: str) -> Training[Fan]:
    """Start a training run on `pairs` [n, 3]; `vector` [M, L, D] are the directions."""
    network = build(options, points=faces.points.shape[2], vector=torch.from_numpy(vector)).to(device)
    sample = batch_of(faces, pairs[:: max(1, len(pairs) // STANDARD_PAIRS)], device)
    network.standardise(*sample[:2])
    return go_on(network, options)


def go_on(network: training.Network, options: Options) -> Training[training.Network]:
    """Start a training run from the weights of `network`."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
    )
    return Training(network, optimizer)


def task(
    network: Fan | ConditionedFan,
    faces: Faces,
    pairs: Tensor,
    validation: Tensor,
    options: Options,
    *,
    device: str,
) -> Task:
    """Equation 5 on `pairs` [n, 3]; the best epoch is that on `validation` [m, 3]."""

    def step(rows: Tensor) -> Tensor:
        return loss(*predict(network, faces, pairs[rows], device), l2_weight=options.l2_weight)

    return Task(
        "fan",
        torch.arange(len(pairs)),
        options.batch,
        step,
        evaluate=lambda: evaluate(network, faces, validation, options, device=device),
        unit="pairs",
    )


def evaluate(
    network: Fan | ConditionedFan, faces: Faces, pairs: Tensor, options: Options, *, device: str
) -> dict[str, float]:
    """Validation loss and the share of Δw's energy that is predicted (1 is perfect, 0 is no motion)."""
    network.eval()
    losses, missed, energy = [], 0.0, 0.0
    with torch.no_grad():
        for chosen in pairs.split(512):
            predicted, delta = predict(network, faces, chosen, device)
            losses.append(loss(predicted, delta, l2_weight=options.l2_weight).item() * len(chosen))
            missed += (predicted - delta).square().sum().item()
            energy += delta.square().sum().item()
    return {"validation_loss": sum(losses) / len(pairs), "explained_energy": 1 - missed / energy}


def load_all(states: Iterable[Mapping], *, device: str) -> list[Fan | ConditionedFan]:
    """Load trained FANs from several checkpoints."""
    return [load(state, device=device) for state in states]


def load(state: Mapping, *, device: str) -> Fan | ConditionedFan:
    """Load a trained FAN, of either loss, from a checkpoint that `training.checkpoint` packed."""
    sizes, values = state["architecture"], state["state"]
    network = (
        conditioned.build(sizes, values)
        if "base" in sizes
        else Fan(Architecture(**sizes), values.get("vector"))
    )
    network.load_state_dict(values)
    return network.to(device).eval()
