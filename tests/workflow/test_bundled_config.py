"""What Snakemake would do with the config as it comes, whose FAN is that of the bundle."""

import re
import subprocess
import sys

import pytest
from tiny_project import ROOT, environment

TRAINING = {
    "sample_latents", "detect_landmarks", "cluster_landmarks", "collect_directions", "augment_latents",
    "draw_goals", "train_fan", "train_fan_in_image_space", "train_encoder",
}  # fmt: skip


def due(folder, *targets, configs=()):
    """Number of jobs of each rule that a run in an empty folder would execute."""
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--dry-run"]
    files = ["--configfile", *map(str, configs)] if configs else []
    done = subprocess.run(
        [*words, "--directory", str(folder), "--cores", "1", *files, "--", *targets],
        cwd=folder,
        env=environment(ROOT),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("Job stats:")[2].partition("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\S+) +(\d+)$", table, re.M)}


def test_the_default_target_trains_nothing(tmp_path):
    rules = due(tmp_path)
    assert rules["unpack_bundle"] == 1 and {"animate", "draw_gallery", "evaluate_first_pairs"} <= rules.keys()
    assert not TRAINING & rules.keys()


def test_the_demo_runs_the_whole_pipeline(tmp_path):
    rules = due(tmp_path, configs=[ROOT / "profiles" / "demo" / "config.yaml"])
    assert TRAINING - {"train_encoder"} <= rules.keys() and "unpack_bundle" not in rules


@pytest.mark.slow
def test_the_evaluation_trains_the_ablations_and_what_they_are_compared_with(tmp_path):
    rules = due(tmp_path, "evaluation")
    assert rules["unpack_bundle"] == 1
    assert {"train_fan", "sefa_train_fan_in_image_space", "write_report"} <= rules.keys()
    assert "trained_train_fan" not in rules  # it shares all stages with the main run's config


def test_the_bundle_is_packed_of_what_is_trained(tmp_path):
    config = [ROOT / "profiles" / "bundle" / "config.yaml"]
    rules = due(tmp_path, "results/bundle/mobilestylegan-ffhq.safetensors", configs=config)
    assert rules["pack_bundle"] == 1 and TRAINING <= rules.keys() and "unpack_bundle" not in rules
