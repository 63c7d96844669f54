import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from d2a_core import training
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.fan import fan
from d2a_core.fan.network import Fan, HeatmapReadout, heatmaps
from d2a_core.store.disk_rows import Rows

LOG = logging.getLogger("test")
OPTIONS = fan.Options(
    output="coefficients",
    input="heatmaps",
    heatmap_size=32,
    width=32,
    depth=1,
    epochs=12,
    batch=32,
    learning_rate=3e-3,
    weight_decay=0.01,
    dropout=0.1,
    l2_weight=0.1,
    validation_share=0.2,
    seed=0,
)


def test_a_heatmap_peaks_at_its_landmark_with_the_given_width():
    point = torch.tensor([[[10.5 / 32, 20.5 / 32]]])  # the middle of column 10, row 20
    drawn = heatmaps(point, size=32, sigma=1.5)[0, 0]
    assert drawn[20, 10] == 1
    assert drawn.argmax().item() == 20 * 32 + 10
    assert drawn[20, 13].item() == pytest.approx(math.exp(-0.5 * (3 / 1.5) ** 2))


def test_readout_equals_the_inner_product_with_the_drawn_heatmap():
    readout = HeatmapReadout(32, 1.5, 3)
    points = torch.rand(4, 7, 2)
    kernels = readout.rows[:, :, None] * readout.columns[:, None, :]
    maps = heatmaps(points, size=32, sigma=1.5)
    expected = torch.einsum("npij,kij->npk", maps, kernels) / (2 * math.pi * 1.5**2)
    assert torch.allclose(readout(points), expected, atol=1e-5)


def test_log_cosh_is_exact_and_survives_large_errors():
    x = torch.tensor([-2.0, 0.0, 0.5, 100.0, 1e4])
    assert fan.log_cosh(x)[:3].tolist() == pytest.approx([math.log(math.cosh(v)) for v in (2, 0, 0.5)])
    assert fan.log_cosh(x)[3:].tolist() == pytest.approx([100 - math.log(2), 1e4 - math.log(2)])


def test_loss_is_log_cosh_summed_plus_a_tenth_of_the_norm():
    predicted, true = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]]), torch.zeros(1, 2, 2)
    expected = math.log(math.cosh(3)) + math.log(math.cosh(4)) + 0.1 * 5
    assert fan.loss(predicted, true, l2_weight=0.1).item() == pytest.approx(expected, rel=1e-6)
    zero = true.clone().requires_grad_()
    fan.loss(zero, true, l2_weight=0.1).backward()
    assert torch.isfinite(zero.grad).all()


def test_split_puts_every_face_on_one_side():
    learn, held = training.split(50, validation_share=0.1, seed=3)
    assert len(held) == 5
    assert sorted([*learn.tolist(), *held.tolist()]) == list(range(50))


def test_pairs_are_all_ordered_pairs_of_found_states():
    found = torch.tensor([[True, True, False], [True, True, True]])
    faces = fan.Faces(torch.zeros(2, 3, 98, 2), Rows((1, 4)), found)
    pairs = fan.ordered_pairs(faces, torch.tensor([0, 1]))
    assert {tuple(row) for row in pairs[pairs[:, 0] == 0].tolist()} == {(0, 0, 1), (0, 1, 0)}
    assert len(pairs[pairs[:, 0] == 1]) == 6


@pytest.fixture(scope="module")
def world():
    """Faces whose landmarks move linearly with three coefficients on known directions."""
    rng = torch.Generator().manual_seed(0)
    vector = torch.randn(3, 2, 8, generator=rng)
    motion = torch.randn(3, 98, 2, generator=rng) * 0.01
    weight = torch.rand(60, 4, 3, generator=rng) * 2 - 1
    weight[:, 0] = 0
    rest = 0.3 * torch.tensor(template_of(WFLW98)[:, :2]).float() + 0.4
    identity = torch.randn(60, 1, 98, 2, generator=rng) * 0.003
    points = rest + identity + torch.einsum("sam,mpd->sapd", weight, motion)
    delta = torch.einsum("sam,mld->sald", weight, vector)
    store = {
        "source_points": points[:, 0],
        "points": points[:, 1:],
        "delta": delta[:, 1:],
        "found": torch.ones(60, 3, dtype=torch.bool),
    }
    halves = (
        {name: array[part].numpy() for name, array in store.items()} for part in np.split(np.arange(60), 2)
    )
    return fan.faces(halves), vector.numpy()


def test_steps_of_joined_shards_lead_from_the_source_to_its_states(world):
    faces, vector = world
    face, state = torch.tensor([0, 41, 59, 59]), torch.tensor([1, 0, 3, 2])
    steps = faces.steps(face, state)
    weight = np.linalg.lstsq(vector.reshape(3, -1).T, steps.reshape(4, -1).numpy().T, rcond=None)[0].T
    assert not steps[1].any() and (np.abs(weight[[0, 2, 3]]) <= 1.0001).all()
    moved = faces.points[face, state] - faces.points[face, 0]
    assert (moved.abs().amax(dim=(1, 2)) > 0).tolist() == [True, False, True, True]


def _train(world, options, **arguments):
    faces, vector = world
    pairs, validation = fan.split(faces, options)
    run = fan.start(faces, pairs, vector, options, device="cpu")
    task = fan.task(run.network, faces, pairs, validation, options, device="cpu")
    return training.run(run, task, options, log=LOG, **arguments)


@pytest.mark.parametrize(
    "changes", [{}, {"output": "direct"}, {"input": "coordinates"}], ids=["paper", "direct", "coordinates"]
)
def test_training_recovers_the_motion_of_faces_it_has_not_seen(world, changes):
    run = _train(world, replace(OPTIONS, **changes))
    best = max(row["explained_energy"] for row in run.history)
    assert best > 0.9
    loaded = fan.load(training.checkpoint(run, {}), device="cpu")
    faces, _ = world
    predicted = loaded(faces.points[:, 0], faces.points[:, 1])
    true = faces.steps(torch.arange(60), torch.ones(60, dtype=torch.long))
    assert (predicted - true).square().sum() < 0.1 * true.square().sum()


class Killed(Exception):
    """Stands for a job that is stopped from outside."""


def test_a_killed_and_resumed_run_ends_with_the_same_weights(world):
    options = replace(OPTIONS, epochs=4)
    whole = _train(world, options)
    states = []

    def save(state):
        states.append({**state, "network": {k: v.clone() for k, v in state["network"].items()}})
        if len(states) == 2:
            raise Killed

    with pytest.raises(Killed):
        _train(world, options, save=save)
    resumed = _train(world, options, resume=states[-1])
    assert resumed.history == whole.history
    for name, value in whole.best.items():
        assert torch.equal(value, resumed.best[name]), name


def test_best_epoch_is_kept_not_the_last(world):
    run = _train(world, replace(OPTIONS, epochs=3, learning_rate=1e-2))
    losses = [row["validation_loss"] for row in run.history]
    faces, _ = world
    _, held = training.split(60, validation_share=0.2, seed=0)
    network = Fan(run.network.architecture, run.best["vector"])
    network.load_state_dict(run.best)
    figures = fan.evaluate(network, faces, fan.ordered_pairs(faces, held), OPTIONS, device="cpu")
    assert figures["validation_loss"] == pytest.approx(min(losses), rel=1e-5)


def test_coefficients_stay_in_the_span_of_the_directions(world):
    faces, vector = world
    network = fan.build(OPTIONS, points=98, vector=torch.from_numpy(vector))
    torch.nn.init.normal_(network.head.weight)
    step = network(faces.points[:, 0], faces.points[:, 1]).detach().flatten(1).numpy()
    basis = np.linalg.svd(vector.reshape(3, -1), full_matrices=False)[2]
    assert step @ basis.T @ basis == pytest.approx(step, abs=1e-3)


def test_unknown_output_and_too_few_faces_are_one_sentence(world):
    with pytest.raises(ValueError, match="'both'; choose 'coefficients' or 'direct'"):
        fan.build(replace(OPTIONS, output="both"), points=98, vector=torch.zeros(1, 1, 4))
    with pytest.raises(ValueError, match="'pixels'; choose 'heatmaps' or 'coordinates'"):
        fan.build(replace(OPTIONS, input="pixels"), points=98, vector=torch.zeros(1, 1, 4))
    with pytest.raises(ValueError, match="1 faces leave none to train on"):
        training.split(1, validation_share=0.1, seed=0)


def test_no_store_of_pairs_is_one_sentence():
    with pytest.raises(ValueError, match="no store of pairs to train FAN on; give one at least"):
        fan.faces([])
