"""The whole workflow on a StyleGAN2 of 64 px, distilled from MobileStyleGAN, and what changing it reruns."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from d2a_core import io, video

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "rules", "workflow_scripts", "d2a_core", "schemas", "profiles", "config.yaml")
CONFIGS = ("tiny.yaml", "stylegan2.yaml")
pytestmark = pytest.mark.slow


def _run(folder, *words):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout + done.stderr


def _snakemake(folder, *words, configs=CONFIGS, targets=()):
    options = ["-m", "snakemake", "--cores", "2", *words, "--configfile", *configs, "--", *targets]
    return _run(folder, *options)


def _due(folder, *, configs=CONFIGS):
    """Names of the rules that a run would execute now."""
    shown = _snakemake(folder, "--dry-run", "--quiet", "rules", "--summary", configs=configs)
    return {line.split("\t")[2] for line in shown.splitlines() if line.endswith("update pending")}


@pytest.fixture(scope="module")
def folder(assets, tmp_path_factory):
    """A copy of the project in which the tiny pipeline has run."""
    folder = tmp_path_factory.mktemp("project")
    for part in PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    for config in (ROOT / "tests" / "config").glob("*.yaml"):
        shutil.copy(config, folder)
    shutil.copytree(assets, folder / "data" / "assets")
    script = str(ROOT / "tests" / "distil_stylegan2.py")
    said = _run(folder, script, "faces.pkl")
    assert float(said.rpartition("found=")[2].split()[0]) > 0.9, said
    _snakemake(folder)
    return folder


def test_a_second_call_has_nothing_to_do(folder):
    assert "Nothing to be done" in _snakemake(folder)


def test_the_video_has_the_resolution_and_the_provenance_of_the_generator(folder):
    path = folder / "results" / "animations" / "anna--performance.mp4"
    info = video.probe(path)
    assert (info.width, info.height, info.frames) == (64, 64, 8)
    facts = json.loads(info.metadata["description"])
    assert facts["generator"] == "faces" and facts["generator_sha256"] == io.sha256(folder / "faces.pkl")
    assert min(frame.image.std() for frame in video.read_frames(path)) > 20  # no blank frame


def test_its_directions_move_faces(folder):
    table = io.read_parquet(folder / "results" / "evaluation" / "table.parquet").to_pydict()
    assert table["found"][-1] == table["pairs"][-1]
    assert table["nme_inter_ocular"][-1] < table["nme_inter_ocular"][0]


def test_a_photo_is_inverted_consulted_and_tuned_at_64_px(folder):
    skimage = pytest.importorskip("skimage.data")
    io.write_image(skimage.astronaut(), folder / "astronaut.png")
    shutil.copy(folder / "results" / "driving" / "performance.parquet", folder)
    stem = "results/animations/astronaut--table"
    configs = (*CONFIGS, "photo.yaml")
    _snakemake(folder, configs=configs, targets=[f"{stem}.mp4", f"{stem}--paste-back.mp4"])
    inverted = io.read_parquet(folder / "results/sources/astronaut/inversion.parquet").to_pylist()[0]
    assert inverted["method"] == "hfgi" and inverted["tuned"] and inverted["psnr"] > 8
    assert io.read_image(folder / "results/sources/astronaut/aligned.png").shape == (1024, 1024, 3)
    assert video.probe(folder / f"{stem}.mp4").width == 64


def test_a_touched_or_renamed_checkpoint_reruns_no_stage_and_another_one_all(folder):
    os.utime(folder / "faces.pkl")
    assert _due(folder) == set()
    (folder / "faces.pkl").rename(folder / "renamed.pkl")
    overlay = folder / "renamed.yaml"
    overlay.write_text("generator: {name: renamed.pkl, draft_size: 64}\n")
    renamed = ("tiny.yaml", "renamed.yaml")
    assert _due(folder, configs=renamed) <= {"convert_generator"}
    with (folder / "renamed.pkl").open("ab") as file:
        file.write(b"\0")
    due = _due(folder, configs=renamed)
    assert {"sample_latents", "augment_latents", "sample_source", "animate", "evaluate_cross_identity"} <= due
