"""`d2a plan` on the real workflow: its jobs are those of Snakemake."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from d2a_core.commands.cli import main
from d2a_core.media import images
from d2a_core.store import texts

ROOT = Path(__file__).parents[2]


def plan(work, *words):
    """Output of `d2a plan` on a work directory without results."""
    configs = ["--configfile", str(ROOT / "tests" / "config" / "tiny.yaml")]
    done = CliRunner().invoke(main, ["plan", "--work", str(work), *configs, *words])
    assert done.exit_code == 0, done.output
    return done.output


def row(said, rule):
    return next(line for line in said.splitlines() if line.startswith(rule)).split()


def test_the_plan_counts_jobs_and_work_of_the_tiny_configuration(tmp_path):
    said = plan(tmp_path, "--cores", "2", "all", "results/evaluation/table.md")
    assert row(said, "evaluate_first_pairs")[1:3] == ["1", "8"]  # 2 sources, 2 targets, none and one pass
    assert row(said, "sample_latents")[1:4] == ["2", "96", "faces"]
    assert row(said, "cluster_landmarks")[1:3] == ["1", f"{96 * (4 + 8 + 3 + 3):,}"]
    assert row(said, "animate_pairs")[1:3] == [
        "2",
        "36",
    ]  # 4 cross, 4 self, 4 frames; 0 and 1 passes, steps
    assert "wall time, 2 cores" in said and "rates: " in said and "0.0 s" not in said
    assert max(map(len, said.splitlines())) <= 100


@pytest.mark.parametrize(
    ("loss", "trained"),
    [("image", {"draw_goals", "train_fan", "train_fan_in_image_space"}), ("latent", {"train_fan"})],
)
def test_fan_learns_in_image_space_where_that_is_its_loss(tmp_path, loss, trained):
    texts.write_text(f"fan: {{loss: {loss}}}\n", tmp_path / "loss.yaml")
    said = plan(tmp_path, "--configfile", str(tmp_path / "loss.yaml"), "results/fan/all/base.pt")
    rules = {line.split()[0] for line in said.splitlines() if line.strip()}
    assert rules & {"draw_goals", "train_fan", "train_fan_in_image_space"} == trained
    if loss == "image":
        assert row(said, "draw_goals")[1:4] == ["1", "8", "faces"]
        assert row(said, "train_fan_in_image_space")[1:4] == ["1", "12", "samples"]


def test_what_is_done_is_left_out_unless_all_is_asked_for(tmp_path):
    for asset in ("dlib-face", "mediapipe-face", "mobilestylegan-ffhq"):
        (tmp_path / "data" / "assets" / asset).mkdir(parents=True)
    target = ["data/assets/dlib-face"]
    assert "Nothing is left to do" in plan(tmp_path, "--", *target)
    assert row(plan(tmp_path, "--all", "--", *target), "fetch_asset")[1] == "1"


def test_sources_on_one_picture_are_the_faces_that_are_put_back_into_it(tmp_path):
    for name in ("us.png", "me.png"):
        images.write_image(np.zeros((64, 64, 3), np.uint8), tmp_path / name)
    listed = (("us", "us.png", 0), ("me", "me.png", 0), ("us-too", "us.png", 2))
    sources = [{"name": name, "image": image, "face": face} for name, image, face in listed]
    texts.write_text(json.dumps({"sources": sources}), tmp_path / "us.yaml")
    target = "results/animations/us-too--performance--all-faces.mp4"
    said = plan(tmp_path, "--configfile", str(tmp_path / "us.yaml"), target)
    assert [row(said, rule)[1] for rule in ("align_source", "animate", "paste_back")] == ["2", "2", "1"]


def test_a_profile_tells_gpu_time_and_jobs_at_a_time(tmp_path):
    texts.write_text(
        "executor: slurm\njobs: 7\nset-resources:\n  train_fan: {gpu: 1}\n", tmp_path / "p" / "profile.yaml"
    )
    said = plan(tmp_path, "--workflow-profile", str(tmp_path / "p"), "results/fan/all/base.pt")
    assert "GPU time" in said and "wall time, 7 jobs at a time" in said
    assert re.search(r"^train_fan .*~", said, re.M) and not re.search(r"^sample_latents .*~", said, re.M)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--configfile", "wrong.yaml"], "config: latents.samples is 'many'"),
        (["results/none.png"], "Snakemake cannot plan this: MissingRuleException"),
        (["--rates", "."], "give the results folder of a finished run"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    texts.write_text("latents: {samples: many}", tmp_path / "wrong.yaml")
    done = CliRunner().invoke(main, ["plan", "--work", str(tmp_path), *words])
    assert done.exit_code == 1 and sentence in done.output and len(done.output.splitlines()) == 1
