import logging
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from d2a_core import training
from d2a_core.inversion import encoder
from d2a_core.inversion.encoder_network import Trunk
from d2a_core.store.disk_rows import Rows

LOG = logging.getLogger("test")
OPTIONS = encoder.Options(views=2, epochs=12, learning_rate=5e-3, validation_share=0.2, seed=0)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """An encoder of the size of the world below, which it learns without regularisation."""
    for name, value in {"WIDTH": 24, "DROPOUT": 0.0, "BATCH": 16, "WEIGHT_DECAY": 0.0}.items():
        monkeypatch.setattr(encoder, name, value)


def _trunk(images):
    return functional.adaptive_avg_pool2d(images, 6)


def _parts(images):
    return (images[start : start + encoder.CHUNK] for start in range(0, len(images), encoder.CHUNK))


@pytest.fixture(scope="module")
def world():
    """Pictures of 24 px that are a linear function of five numbers."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(240, 5)).astype(np.float32) * [3, 2, 1, 1, 1] + 4
    basis = functional.interpolate(torch.from_numpy(rng.normal(size=(5, 3, 4, 4))), size=24, mode="bilinear")
    pictures = 127.5 + 9 * np.einsum("nk,kchw->nhwc", w - 4, basis.numpy())
    images = pictures.clip(0, 255).astype(np.uint8)
    return images, w.astype(np.float32), encoder.faces(_parts(images), w, _trunk, views=2, seed=0)


def _train(world, options, **arguments):
    run = encoder.start(world[2], options, device="cpu")
    task = encoder.task(run.network, world[2], options, device="cpu")
    return training.run(run, task, options, log=LOG, **arguments)


def test_training_finds_the_code_of_faces_it_has_not_seen(world):
    clean = encoder.faces(_parts(world[0]), world[1], _trunk, views=1, seed=0)
    run = _train((*world[:2], clean), replace(OPTIONS, epochs=40))
    network = encoder.load(training.checkpoint(run, {}), device="cpu")
    _, held = training.split(240, validation_share=0.2, seed=0)
    codes = encoder.encode(network, _trunk, world[0][held], num_layers=3)
    true = torch.from_numpy(world[1][held])
    assert codes.shape == (48, 3, 5) and torch.equal(codes[:, 0], codes[:, 2])
    assert (codes[:, 0] - true).square().sum() < 0.1 * (true - true.mean(0)).square().sum()


def test_an_untrained_encoder_gives_the_mean_face(world):
    run = encoder.start(world[2], OPTIONS, device="cpu")
    learn, _ = training.split(240, validation_share=0.2, seed=0)
    w = run.network.eval()(world[2].look(torch.arange(4), 0).float())
    assert w.detach().numpy() == pytest.approx(np.tile(world[1][learn].mean(0), (4, 1)), abs=1e-5)


class Killed(Exception):
    """Stands for a job that is stopped from outside."""


def test_a_killed_and_resumed_run_ends_with_the_same_weights(world, monkeypatch):
    monkeypatch.setattr(encoder, "DROPOUT", 0.3)
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


def test_views_are_read_by_face_and_the_first_is_the_clean_one(world):
    images, w, faces = world
    again = encoder.faces(_parts(images), w, _trunk, views=3, seed=0)
    assert (faces.views, again.views) == (2, 3)
    face = torch.tensor([200, 3])
    clean = _trunk(encoder.rendering.to_float(images[face])).half()
    assert torch.equal(faces.look(face, 0), clean) and torch.equal(again.look(face, 0), clean)
    mixed = again.look(face, torch.tensor([2, 1]))
    assert torch.equal(mixed[0], again.look(face, 2)[0]) and torch.equal(mixed[1], again.look(face, 1)[1])
    assert not torch.equal(mixed[0], clean[0])


def test_one_part_of_the_images_is_in_memory_at_a_time():
    given = []

    def parts():
        for _ in range(20):
            assert sum(part() is not None for part in given) <= 1
            part = np.zeros((encoder.CHUNK, 24, 24, 3), np.uint8)
            given.append(weakref.ref(part))
            yield part

    faces = encoder.faces(parts(), np.zeros((20 * encoder.CHUNK, 5)), _trunk, views=2, seed=0)
    assert len(faces.maps) == 2 * 20 * encoder.CHUNK


def test_training_reads_as_few_faces_at_a_time_however_many_there_are(world, monkeypatch):
    reads = []

    class Watched(Rows):
        def __getitem__(self, index):
            reads.append(len(index))
            return super().__getitem__(index)

    for name, value in {"Rows": Watched, "STANDARD_FACES": 30, "HELD_CHUNK": 20}.items():
        monkeypatch.setattr(encoder, name, value)
    faces = encoder.faces(_parts(world[0]), world[1], _trunk, views=2, seed=0)
    run = _train((*world[:2], faces), replace(OPTIONS, epochs=1))
    # 30 to standardise by in each of 2 views, then 192 to learn from and 48 held out
    assert reads == [30, 30, *[16] * 12, 20, 20, 8]
    network = encoder.load(training.checkpoint(run, {}), device="cpu")
    _, held = training.split(240, validation_share=0.2, seed=0)
    again = functional.mse_loss(network(faces.look(held, 0).float()), faces.w[held]).item()
    assert run.history[0]["validation_loss"] == pytest.approx(again, rel=1e-5)


def test_the_best_epoch_is_kept_not_the_last(world):
    run = _train(world, replace(OPTIONS, epochs=6, learning_rate=0.2))
    losses = [row["validation_loss"] for row in run.history]
    assert losses.index(min(losses)) < len(losses) - 1  # or the test shows nothing
    network = encoder.load(training.checkpoint(run, {}), device="cpu")
    _, held = training.split(240, validation_share=0.2, seed=0)
    with torch.no_grad():
        predicted = network(world[2].look(held, 0).float())
    again = functional.mse_loss(predicted, world[2].w[held]).item()
    assert again == pytest.approx(min(losses), rel=1e-4)


def test_a_worse_photograph_is_another_picture_of_the_same_layout():
    ramp = torch.linspace(-0.8, 0.8, 64).expand(8, 3, 64, 64).clone()
    worse = encoder.photograph(ramp, generator=torch.Generator().manual_seed(0))
    assert worse.shape == ramp.shape and worse.abs().max() <= 1
    assert ((worse - ramp).abs().mean(dim=(1, 2, 3)) > 0.02).all()
    # not mirrored
    assert (worse[..., 48:].mean(dim=(1, 2, 3)) > worse[..., :16].mean(dim=(1, 2, 3)) + 0.5).all()


def test_too_few_faces_are_one_sentence():
    with pytest.raises(ValueError, match="1 faces leave none to train on; give more than 1"):
        training.split(1, validation_share=0.1, seed=0)


def test_the_trunk_reads_colours_and_is_equal_one_by_one(assets):
    trunk = Trunk(assets / "mediapipe-face", threads=1)
    images = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images[1] = 0.25
    maps = trunk(images)
    assert maps.shape == (2, Trunk.channels, 12, 12)
    assert torch.equal(maps[1:], trunk(images[1:]))
    assert maps[1, -48:].numpy() == pytest.approx(0.25, abs=1e-6)
