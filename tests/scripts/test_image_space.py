"""The scripts of FAN in image space, one after the other, in a world that is linear."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import image_world
import numpy as np
import pytest
import torch
from image_world import ImageWorld

from d2a_core import training
from d2a_core.faces import detectors, landmarks
from d2a_core.fan import fan, image_loss
from d2a_core.fan.conditioned import ConditionedFan
from d2a_core.generator import generator
from d2a_core.store import arrays, lineage, tables, weights

ROOT = Path(__file__).parents[2]
IDENTITY = lineage.Identity("linear", "0" * 64)
FACTS = {**IDENTITY.facts, "detector": "made-up"}
IMAGE = {
    "samples": 8, "epoch": 4, "batch": 2, "learning_rate": 1e-3, "weight_decay": 0.0, "width": 8, "depth": 0,
    "sees_code": True, "held_out": 2, "landmarks_weight": 1.0, "features_weight": 1.0, "identity_weight": 1.0,
    "outside_weight": 1.0, "colour_weight": 1.0, "prior_weight": 0.1, "seed": 0,
}  # fmt: skip
DRAWN = {"faces": 6, "per_face": 2, "seed": 0}


def run(script, **job):
    spec = importlib.util.spec_from_file_location(script, ROOT / "workflow_scripts" / f"{script}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rest = {"log": ["log.txt"], "threads": 1, "resources": SimpleNamespace()}
    parts = {name: SimpleNamespace(**part) for name, part in job.items()}
    module.main(SimpleNamespace(**rest, **parts))
    return Path("log.txt").read_text()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with directions, a FAN and the landmarks of samples; generator and models are the world."""
    world = ImageWorld()
    world.identity = IDENTITY
    world.options = landmarks.Options(detector="made-up", min_score=0.5, box="ffhq", weights=None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generator, "of_job", lambda job, *made: world)
    monkeypatch.setattr(detectors, "of_job", lambda job, *seen: world)
    monkeypatch.setattr(
        image_loss, "of_job", lambda job, network, detector, terms: image_world.loss_of(terms, world)
    )
    ball = {"mean_w": np.zeros(6, np.float32), "radius": np.float32([9.0]), "reach": np.float32([9.0])}
    arrays.write_zarr("directions.zarr", ball, attributes=FACTS)
    points = image_world.seen(image_world.codes(5)).numpy()
    still = np.zeros((5, 3), np.float32)
    seen = landmarks.Detections(points, np.ones(5, np.float32), np.ones(5, bool), still, points)
    tables.write_parquet(landmarks.table(seen, sample_id=range(5)), "landmarks.parquet", metadata=FACTS)
    base = image_world.base_fan()
    state = training.Training(base, torch.optim.SGD(base.parameters()), best=base.state_dict())
    weights.write_checkpoint(training.checkpoint(state, FACTS), "latent.pt")
    return tmp_path


def draw(shard):
    return run(
        "draw_goals",
        input={"landmarks": "landmarks.parquet"},
        output={"goals": f"{shard}.zarr"},
        wildcards={"group": "all", "shard": shard},
        params={"generator": {"draft_size": image_world.SIZE}, "plan": DRAWN},
    )


def train():
    return run(
        "train_fan_in_image_space",
        input={
            "directions": "directions.zarr",
            "fan": "latent.pt",
            "goals": ["00000.zarr", "00001.zarr"],
        },
        output={"checkpoint": "base.pt", "history": "history.parquet", "curve": "curve.png"},
        params={"generator": {"draft_size": image_world.SIZE}, "image": IMAGE, "core": "0"},
    )


def test_goals_are_drawn_and_say_how(project):
    log = draw("00001")
    store, facts = arrays.read_zarr("00001.zarr"), arrays.zarr_attributes("00001.zarr")
    shapes = {"wplus": (10, 6), "image": (64, 64, 3), "points": (98, 2), "found": (), "goal": (2, 98, 2)}
    assert {name: value.shape for name, value in store.items()} == {n: (6, *s) for n, s in shapes.items()}
    assert "goals images=6/6" in log
    assert facts["plan"] == {"shard": 1, "group": "all", **DRAWN}
    assert (facts["generator"], facts["detector"]) == ("linear", "made-up")


def test_fan_is_trained_on_and_keeps_what_it_came_from(project):
    draw("00000")
    draw("00001")
    log = train()
    state = weights.read_checkpoint("base.pt")
    assert isinstance(fan.load(state, device="cpu"), ConditionedFan)
    assert lineage.of("base.pt").sha256 == IDENTITY.sha256 and lineage.detector_of("base.pt") == "made-up"
    assert len(state["provenance"]["goals"]) == 2
    history = tables.read_parquet("history.parquet")
    assert history["epoch"].to_pylist() == [1, 2] and "training_identity" in history.column_names
    assert Path("curve.png").exists() and "fan samples=8/8" in log
    assert not list(Path("results/.state/train_fan_in_image_space").glob("*.pt"))  # nothing to go on from
