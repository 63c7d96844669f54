import logging

import numpy as np
import pytest
import torch

from d2a_core import training
from d2a_core.directions.ball import Ball
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.fan import closed_loop, fan, finetuning, pairs
from d2a_core.fan.conditioned import ConditionedFan, Conditioning
from d2a_core.fan.network import Fan
from d2a_core.generator.latent_prior import LatentPrior

REST = (0.25 * template_of(WFLW98)[:, :2] + [0.5, 0.4]).astype(np.float32)
TRAINING = fan.Options(
    output="coefficients",
    input="heatmaps",
    heatmap_size=32,
    width=32,
    depth=1,
    epochs=1,
    batch=16,
    learning_rate=1e-3,
    weight_decay=0.0,
    dropout=0.0,
    l2_weight=0.1,
    validation_share=0.2,
    seed=0,
)
OPTIONS = finetuning.Options(
    sources="all", augmentations=40, held_out=8, pairs=200, epochs=6, samples=12, learning_rate=3e-3
)
DIRECTIONS = {
    "vector": np.repeat(np.eye(2, 512, dtype=np.float32)[:, None], 8, axis=1),
    "layer_groups": np.array([1]),
    "mean_w": np.zeros(512, np.float32),
    "radius": np.array([2.0], np.float32),
    "reach": np.array([2.0], np.float32),
}


class World:
    """A generator and a detector in one: the first two channels of w shift the face."""

    num_layers, z_dim, w_dim, resolution, batch = 16, 512, 512, 8, 8
    scheme, mean_w = WFLW98, torch.zeros(512)

    def __init__(self, blind=False):
        self.blind = blind

    def synthesize(self, wplus, size=None, consultation=None):
        image = torch.zeros(len(wplus), 3, 8, 8)
        image[:, :2] = (wplus[:, :8].mean(dim=1)[:, :2] / 8).clamp(-1, 1)[:, :, None, None]
        return image

    def detect(self, images):
        shift = (images[:, 0, 0, :2].astype(np.float32) / 127.5 - 1) * 8
        points = REST + 0.05 * shift[:, None]
        found = np.full(len(images), not self.blind)
        points[~found] = np.nan
        return Detections(points, found.astype(np.float32), found, np.zeros((len(images), 3)), points)


class Embedder:
    """Everybody is the same person."""

    def embed(self, images, points):
        return np.ones((len(images), 128), np.float32)


@pytest.fixture
def animator():
    untrained = fan.build(TRAINING, points=98, vector=torch.from_numpy(DIRECTIONS["vector"]))
    ball = Ball(torch.zeros(512), radius=2.0, reach=2.0)
    return closed_loop.Animator(World(), World(), untrained.eval(), ball, size=8)


def _tune(animator, faces):
    base = Fan(animator.fan.architecture, animator.fan.vector)
    base.load_state_dict(animator.fan.state_dict())
    log = logging.getLogger("d2a.test")
    return finetuning.tune(base, faces, TRAINING, OPTIONS, device="cpu", log=log)


CODE = np.zeros((1, 16, 512), np.float32)


def _faces(animator):
    return finetuning.around(animator, CODE, REST[None], DIRECTIONS, OPTIONS, group="all", seed=3)


def test_fine_tuning_lowers_the_error_on_augmentations_that_it_never_saw(animator):
    faces = _faces(animator)
    assert faces.points.shape == (1, 49, 98, 2)
    run = _tune(animator, faces)
    tuned = fan.load(training.checkpoint(run, {}), device="cpu")
    rows = finetuning.compare(animator, tuned, CODE, faces, Embedder(), OPTIONS)
    errors = {name: rows["nme"][np.array(rows["network"]) == name] for name in ("base", "finetuned")}
    assert len(errors["base"]) == 8
    assert errors["finetuned"].mean() < 0.5 * errors["base"].mean()
    assert rows["csim"] == pytest.approx(1)
    assert "nme_finetuned=" in finetuning.summary(rows)


def test_a_fan_of_image_space_is_tuned_with_the_code_of_the_source(animator):
    code = CODE + 0.5 * np.eye(1, 512, 7, dtype=np.float32)
    faces = finetuning.around(animator, code, REST[None], DIRECTIONS, OPTIONS, group="all", seed=3)
    assert np.array_equal(faces.code.numpy(), code[:, 0])
    prior = LatentPrior(torch.zeros(512), torch.eye(512), torch.ones(512))
    sizes = Conditioning(animator.fan.architecture, width=16, depth=0, sees_code=True)
    pairs_fan = Fan(animator.fan.architecture, animator.fan.vector)
    base = ConditionedFan(sizes, pairs_fan, prior)
    run = finetuning.tune(base, faces, TRAINING, OPTIONS, device="cpu", log=logging.getLogger("d2a.test"))
    losses = [row["validation_loss"] for row in run.history]
    assert min(losses[1:]) < losses[0]
    tuned = fan.load(training.checkpoint(run, {}), device="cpu")
    rows = finetuning.compare(animator, tuned, code, faces, Embedder(), OPTIONS)
    errors = {name: rows["nme"][np.array(rows["network"]) == name] for name in ("base", "finetuned")}
    assert errors["finetuned"].mean() < 0.8 * errors["base"].mean()


def test_draws_around_a_source_are_none_of_those_around_sample_0(animator):
    networks, code = (animator.generator, animator.detector), torch.from_numpy(CODE)
    asked = {"group": "all", "seed": 3, "ids": [0], "size": 8}
    sampled = pairs.augment_codes(*networks, code, DIRECTIONS, 5, stage="pairs", **asked)
    again = pairs.augment_codes(*networks, code, DIRECTIONS, 5, stage="pairs", **asked)
    tuned = pairs.augment_codes(*networks, code, DIRECTIONS, 5, stage=finetuning.STAGE, **asked)
    assert np.array_equal(sampled["weight"], again["weight"])
    assert not np.isclose(sampled["weight"], tuned["weight"]).any()
    assert np.array_equal(
        _faces(animator).steps(torch.tensor([0]), torch.tensor([1]))[0], tuned["delta"][0, 0]
    )


def test_pairs_to_learn_from_hold_every_way_from_the_source_and_none_to_what_is_held_out(animator):
    learn, held = finetuning.split(_faces(animator), OPTIONS, seed=0)
    assert len(learn) == OPTIONS.pairs
    assert {int(end) for _, start, end in learn if start == 0} == set(range(1, 41))
    assert learn[:, 1:].max() == 40
    assert sorted(held[:, 2].tolist()) == list(range(41, 49)) and (held[:, 1] == 0).all()


def test_weights_that_nothing_improves_are_the_base(animator):
    faces = _faces(animator)
    known = _tune(animator, faces)  # has learned the world; going on from it with a huge step only harms
    worse = fan.go_on(fan.load(training.checkpoint(known, {}), device="cpu"), TRAINING).network
    options = finetuning.Options(**{**vars(OPTIONS), "learning_rate": 10.0, "epochs": 1})
    log = logging.getLogger("d2a.test")
    run = finetuning.tune(worse, faces, TRAINING, options, device="cpu", log=log)
    assert all(torch.equal(run.best[name], known.best[name]) for name in known.best)


def test_a_source_whose_augmentations_show_no_face_is_one_sentence(animator):
    blind = closed_loop.Animator(World(), World(blind=True), animator.fan, animator.ball, size=8)
    faces = finetuning.around(blind, CODE, REST[None], DIRECTIONS, OPTIONS, group="all", seed=3)
    with pytest.raises(ValueError, match="a face was found on 0 of 48 augmentations"):
        finetuning.split(faces, OPTIONS, seed=0)
