import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from d2a_core.animation import purity, refinements
from d2a_core.animation.poses import Poses
from d2a_core.config import merged
from d2a_core.faces import controls
from d2a_core.fan import image_space
from d2a_core.store import texts
from d2a_core.workflow import job_sizes

ROOT = Path(__file__).parents[3]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SMALL = merged(
    CONFIG,
    {
        "latents": {"samples": 200, "shard_size": 100},
        "pairs": {"shards": 2, "sources_per_shard": 10, "per_source": 3},
        "goals": {"shards": 3, "faces": 40, "per_face": 6},
        "fan": {
            "epochs": 5,
            "validation_share": 0.1,
            "image": {"samples": 1000, "epoch": 300},
            "finetune": {"augmentations": 20, "held_out": 4},
        },
        "driving": {
            "performances": [
                {"name": "talk", "seconds": 2.0, "fps": 25},
                {"name": "long", "seconds": 4.0, "fps": 25},
            ],
            "combinations": [
                {"name": "both", "pose": "talk", "expression": "long"},
                {"name": "words", "lips": "talk"},
            ],
        },
        "animations": {"poses": 10, "refinements": 0},
        "evaluation": {"protocols": {"pairs": 8, "sources": 2, "frames": 3, "finetuned": 2}, "passes": 2},
    },
)
TALKING = {"source": "anna", "clip": "talk"}


@pytest.mark.parametrize(
    ("rule", "wildcards", "units"),
    [
        ("sample_latents", {"shard": "00000"}, 100),
        ("cluster_landmarks", {}, 200 * 84),  # 4 + 8 + 16 of all points, 56 of the parts
        ("augment_latents", {"group": "all", "shard": "00001"}, 10 * 3),
        (
            "train_fan",
            {"group": "all"},
            2 * 10 * 0.9 * (4 * 3) * 5,
        ),  # sources learned from × ordered pairs × epochs
        ("perform_driver", {"performance": "talk"}, 50),
        ("draw_goals", {"group": "all", "shard": "00002"}, 40),
        ("train_fan_in_image_space", {"group": "all"}, 900),  # three whole epochs
        (
            "animate",
            {"source": "anna", "clip": "talk"},
            50,
        ),
        ("animate", {"source": "anna", "clip": "both"}, 100),  # as long as the longer clip
        ("combine_driving", {"combination": "words"}, 50),
        ("measure_disentanglement", {}, 2 * 6 * (12 + 12) * 2),
        ("hold_out_faces", {}, 32),
        ("animate_pairs", {"method": "d2animator"}, 3 * (8 + 8 + 2 * 3 * 2)),  # sequence: two clips
        ("evaluate_first_pairs", {}, 8 * (2 + 3)),
        ("score_frames", {"scored": "sefa"}, 8),
        ("make_baselines", {}, 3 * 8),
        ("score_frames", {"scored": "baselines"}, 3 * 8),
        ("animate_pairs", {"method": "finetuned"}, 2 * 4),
        ("invert_source", {"photo": "me"}, 30 + 60 + 4),
        ("draw_pairs", {}, 1),
    ],
)
def test_work_of_a_job_follows_from_the_configuration(rule, wildcards, units):
    assert job_sizes.planned(rule, wildcards, SMALL) == pytest.approx(units)


def test_the_plan_counts_the_steps_that_controls_take():
    options = purity.Options(**SMALL["controls"])
    moved = len(purity.values(controls.CONTROLS))
    planned = job_sizes.planned("measure_controls", {}, SMALL)
    assert planned == options.faces * options.steps * moved


@pytest.mark.parametrize(("samples", "epoch", "units"), [(900, 300, 900), (20, 300, 20), (500, 200, 400)])
def test_a_training_in_image_space_is_planned_in_whole_epochs(samples, epoch, units):
    config = merged(SMALL, {"fan": {"image": {"samples": samples, "epoch": epoch}}})
    options = image_space.Options(**config["fan"]["image"])
    planned = job_sizes.planned("train_fan_in_image_space", {"group": "all"}, config)
    assert planned == units == options.epochs * min(epoch, samples)


def test_gradient_steps_are_counted_as_the_animation_takes_them():
    some, more = (merged(SMALL, {"animations": {"refinements": steps}}) for steps in (12, 24))
    plain, some, more = (job_sizes.planned("animate", TALKING, config) for config in (SMALL, some, more))
    poses = Poses(torch.arange(10), torch.eye(10))
    taken = refinements.count(poses, np.zeros(49, int), 12)  # and one frame more
    assert some - plain == pytest.approx(taken * job_sizes.STEP, rel=0.02)
    assert more - plain == pytest.approx(2 * (some - plain))


def test_another_rate_and_a_loop_are_more_frames_to_render_and_no_more_to_look_at():
    slow = merged(SMALL, {"animations": {"fps": 50, "slow_motion": 2.0}})
    assert job_sizes.planned("animate", {"source": "anna", "clip": "talk"}, slow) == 200
    assert job_sizes.planned("compare_motion", TALKING, slow) == 200
    loop = merged(SMALL, {"animations": {"loop": True}})
    assert job_sizes.planned("animate", {"source": "anna", "clip": "talk"}, loop) == 65
    turn = {"name": "turn", "frames": 10, "loop": True}
    assert (
        job_sizes.planned("morph", {"source": "anna", "morph": "turn"}, merged(SMALL, {"morphs": [turn]}))
        == 18 + 33
    )


def test_every_rule_of_the_workflow_has_its_work_stated():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    names = set(re.findall(r"^rule (\w+):", text, re.M))
    assert job_sizes.WORK.keys() == names


def test_the_wildcard_that_the_work_hangs_on_is_one_of_its_rule():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = dict(zip(*[iter(re.split(r"^rule (\w+):", text, flags=re.M)[1:])] * 2, strict=True))
    for rule, work in job_sizes.WORK.items():
        assert not work.wildcard or f"{{{work.wildcard}}}" in rules[rule], rule


def test_photos_of_a_data_set_are_counted_that_have_a_role(tmp_path):
    for number in range(11):
        texts.write_text("", tmp_path / "celeba" / f"{number}.jpg")
    sets = [{"name": "celeba", "images": str(tmp_path / "celeba")}]
    for pairs, photos in ((8, 9), (2, 6)):  # sources, targets and references, as many of each
        config = merged(SMALL, {"evaluation": {"datasets": sets, "protocols": {"pairs": pairs}}})
        assert job_sizes.planned("gather_faces", {"photo_set": "celeba"}, config) == photos


def test_a_log_counts_the_work_in_the_unit_of_the_plan(tmp_path):
    line = "2026-03-01 12:00:03 INFO evaluation images=360/360 images_per_s=0.9 eta_s=0\n"
    assert job_sizes.done("animate_pairs", line, tmp_path) == 360
    clusters = "".join(
        f"2026-03-01 12:00:03 INFO clusters part=all k={k} faces=2400 smallest=22\n" for k in (4, 16)
    )
    assert job_sizes.done("cluster_landmarks", clusters, tmp_path) == (4 + 16) * 2400
    assert job_sizes.done("sample_latents", "2026-03-01 12:00:03 INFO latents nothing\n", tmp_path) is None


def test_bytes_left_are_those_of_all_outputs(tmp_path):
    sizes = (
        ("latent.pt", 100),
        ("latent.loss.png", 20),
        ("base.pt", 300),
        ("base.loss.png", 5),
        ("me.pt", 7),
    )
    for name, size in sizes:
        texts.write_text("x" * size, tmp_path / "fan" / "all" / name)
    for shard, size in (("00000", 11), ("00001", 13)):
        texts.write_text("x" * size, tmp_path / "goals" / "all" / f"{shard}.zarr" / "goal" / "c")
    texts.write_text("x" * 30, tmp_path / "pairs" / "all" / "00000.zarr" / "delta" / "c")
    assert job_sizes.left_bytes("train_fan", "all", tmp_path) == 120
    assert job_sizes.left_bytes("train_fan_in_image_space", "all", tmp_path) == 305
    assert job_sizes.left_bytes("draw_goals", "all-00001", tmp_path) == 13
    assert job_sizes.left_bytes("augment_latents", "all-00000", tmp_path) == 30
    assert job_sizes.left_bytes("animate", "me--talk", tmp_path) is None
