import logging
from types import SimpleNamespace

import pytest
import torch

from d2a_core import training
from d2a_core.training import Task, Training, rate

LOG = logging.getLogger("test")


def test_rate_rises_then_falls_as_a_cosine():
    rates = [rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11) and max(rates) == rates[10]
    assert rates[50] == pytest.approx(0.5) and 0 < rates[99] < 1e-3
    assert all(a > b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_a_single_step_is_taken_at_full_rate():
    assert rate(0, 1) == pytest.approx(1 / 1.1)


class Line(torch.nn.Module):
    """Two numbers to learn."""

    def __init__(self):
        super().__init__()
        self.a, self.b = (torch.nn.Parameter(torch.zeros(())) for _ in range(2))


def run(step, *, epochs=1, rows=4, shares=(None, None), **options):
    """Train the two numbers by plain gradient descent at a rate of 1, two rows a step."""
    network = Line()
    groups = [
        {"params": [number], **({} if share is None else {"share": share})}
        for number, share in zip((network.a, network.b), shares, strict=True)
    ]
    task = Task(
        "test",
        torch.arange(rows),
        2,
        lambda chosen: step(network, chosen),
        lambda: {"validation_loss": 0.0},
        **options,
    )
    schedule = SimpleNamespace(epochs=epochs, learning_rate=1.0, seed=0)
    return training.run(Training(network, torch.optim.SGD(groups, lr=1.0)), task, schedule, log=LOG)


def slopes(network, chosen):
    """A loss that falls by 3 with one number and by 4 with the other: a gradient of length 5."""
    return -3 * network.a - 4 * network.b


def test_a_group_learns_at_its_share_of_the_rate():
    alike, apart = run(slopes).network, run(slopes, shares=(0.1, None)).network
    assert alike.a.item() == pytest.approx(alike.b.item() * 3 / 4)
    assert apart.a.item() == pytest.approx(0.1 * alike.a.item())
    assert apart.b.item() == pytest.approx(alike.b.item())


def test_a_long_gradient_is_shortened_and_keeps_its_direction():
    free, held, loose = (run(slopes, longest_gradient=length).network for length in (float("inf"), 2.5, 10.0))
    assert held.a.item() == pytest.approx(free.a.item() / 2, rel=1e-5)
    assert held.b.item() == pytest.approx(free.b.item() / 2, rel=1e-5)
    assert (loose.a.item(), loose.b.item()) == pytest.approx((free.a.item(), free.b.item()))


def test_losses_by_name_are_summed_to_be_minimised():
    named = run(lambda network, chosen: {"one": -3 * network.a, "other": -4 * network.b})
    alone = run(slopes)
    assert (named.network.a.item(), named.network.b.item()) == pytest.approx(
        (alone.network.a.item(), alone.network.b.item())
    )


def test_the_history_tells_the_mean_of_each_loss_over_the_rows():
    def step(network, chosen):
        rows = chosen.float().mean()
        return {"rows": rows + 0 * network.a, "twice": 2 * rows + 0 * network.b}

    row = run(step, rows=5).history[0]  # batches of two, two and one: rows count, not batches
    assert row["training_rows"] == pytest.approx(2.0)
    assert row["training_twice"] == pytest.approx(4.0)
    assert row["training_loss"] == pytest.approx(6.0)


def test_the_history_of_a_single_loss_has_no_terms():
    assert run(slopes).history[0].keys() == {"epoch", "learning_rate", "training_loss", "validation_loss"}
    columns = training.history_columns(run(slopes, epochs=3))
    assert columns["epoch"].tolist() == [1, 2, 3]
