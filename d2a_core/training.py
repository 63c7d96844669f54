"""Train any network so that a killed and resumed run ends with the weights of an uninterrupted one."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from d2a_core.runtime import Progress

Network = TypeVar("Network", bound=nn.Module)


class Schedule(Protocol):
    """Options of a stage that `run` reads."""

    @property
    def epochs(self) -> int:
        """Passes over all rows."""
        ...

    @property
    def learning_rate(self) -> float:
        """Largest rate of the optimizer."""
        ...

    @property
    def seed(self) -> int:
        """Seed of the row order and all random numbers."""
        ...


@dataclass
class Training(Generic[Network]):
    """State of a training: everything that a resumed run needs."""

    network: Network
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    def state(self) -> dict:
        """Return the run as plain values and tensors."""
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


def split(count: int, *, validation_share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Draw indices of training and validation faces, at least one held out."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held = max(1, round(count * validation_share))
    if held >= count:
        raise ValueError(f"{count} faces leave none to train on; give more than {held}")
    return order[held:], order[:held]


@dataclass(frozen=True)
class Task:
    """Subject of a training: `batch` of the `rows` [n] a step, counted as `unit` in the log.

    `step` gives the loss of some rows, or losses by name, whose sum is minimised; `evaluate` gives figures
    of an epoch with `validation_loss` among them. A gradient longer than `longest_gradient` is shortened.
    """

    stage: str
    rows: Tensor
    batch: int
    step: Callable[[Tensor], Tensor | dict[str, Tensor]]
    evaluate: Callable[[], dict[str, float]]
    unit: str = "faces"
    longest_gradient: float = math.inf


def run(
    training: Training[Network],
    task: Task,
    schedule: Schedule,
    *,
    resume: dict | None = None,
    save: Callable[[dict], None] = lambda state: None,
    log: logging.Logger,
) -> Training[Network]:
    """Run the epochs that are left of a task; the best one is `training.best`.

    `save` receives the whole state after every epoch and `resume` is such a state. Order and random numbers
    are drawn anew in each epoch from (seed, epoch).
    """
    if resume is not None:
        training.restore(resume)
        log.info("%s resumed epoch=%d/%d", task.stage, training.epoch, schedule.epochs)
    count = len(task.rows)
    total, done = schedule.epochs * count, training.epoch * count
    progress = Progress(log, task.stage, total, unit=task.unit, done=done)
    for epoch in range(training.epoch, schedule.epochs):
        figures = _run_epoch(training, task, schedule, epoch, progress)
        training.network.eval()
        with torch.no_grad():
            figures |= task.evaluate()
        past = (row["validation_loss"] for row in training.history)
        if figures["validation_loss"] < min(past, default=math.inf):
            training.best = {name: value.clone() for name, value in training.network.state_dict().items()}
        training.history.append(figures)
        training.epoch = epoch + 1
        save(training.state())
        log.info("%s %s", task.stage, " ".join(f"{name}={value:.4g}" for name, value in figures.items()))
    return training


def _run_epoch(
    training: Training, task: Task, schedule: Schedule, epoch: int, progress: Progress
) -> dict[str, float]:
    """One pass over the rows of a task, the learning rate along a half cosine over all epochs."""
    training.network.train()
    seed = schedule.seed * 100_003 + epoch
    order = torch.randperm(len(task.rows), generator=torch.Generator().manual_seed(seed))
    batches, totals = order.split(task.batch), dict[str, float]()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for index, chosen in enumerate(batches):
            rate = learning_rate(schedule, epoch + index / len(batches))
            losses = _step(training, task, task.rows[chosen], rate)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + value * len(chosen)
            progress.advance(len(chosen), loss=losses["loss"])
    means = {f"training_{name}": total / len(task.rows) for name, total in totals.items()}
    return {"epoch": epoch + 1, "learning_rate": rate, **means}


def _step(training: Training, task: Task, rows: Tensor, rate: float) -> dict[str, float]:
    """One step of the optimizer on some rows; returns the `loss` and, where it has several, its terms."""
    for group in training.optimizer.param_groups:
        group["lr"] = rate * group.get("share", 1.0)
    found = task.step(rows)
    terms = found if isinstance(found, dict) else {}
    loss = sum(terms.values(), torch.zeros(())) if isinstance(found, dict) else found
    training.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if task.longest_gradient < math.inf:
        nn.utils.clip_grad_norm_(training.network.parameters(), task.longest_gradient)
    training.optimizer.step()
    return {"loss": loss.item(), **{name: term.item() for name, term in terms.items()}}


def learning_rate(schedule: Schedule, epoch: float) -> float:
    """Linear warm-up over the first half epoch, then a half cosine to zero at the last."""
    fall = 0.5 * (1 + math.cos(math.pi * epoch / schedule.epochs))
    return schedule.learning_rate * min(1.0, 2 * epoch + 0.02) * fall


def checkpoint(run: Training, provenance: Mapping) -> dict:
    """Pack the best epoch as plain values and tensors: an architecture, its weights, their origin."""
    architecture = run.network.architecture
    assert is_dataclass(architecture) and not isinstance(architecture, type)  # PyTorch says: a tensor
    return {
        "architecture": asdict(architecture),
        "state": {name: value.cpu() for name, value in run.best.items()},
        "provenance": dict(provenance),
    }


def history_columns(training: Training) -> dict[str, np.ndarray]:
    """Return the loss curve as columns, one row an epoch."""
    return {name: np.array([row[name] for row in training.history]) for name in training.history[0]}


RAMP_UP = 0.1  # share of the steps


def rate(step: int, steps: int) -> float:
    """Share of the learning rate at `step` of `steps`: a short linear rise, then half a cosine down."""
    return min((step + 1) / (RAMP_UP * steps + 1), 1.0) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
