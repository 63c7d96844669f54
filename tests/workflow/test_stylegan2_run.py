"""The whole workflow on a StyleGAN2 of 64 px, distilled from MobileStyleGAN, and what changing it reruns."""

import json
import os
import shutil

import pytest
from tiny_project import ROOT, Project

from d2a_core.media import images, video_reading
from d2a_core.store import tables, texts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(assets, tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"), assets, "tiny.yaml", "stylegan2.yaml")
    said = project.run(str(ROOT / "tests" / "support" / "distil_stylegan2.py"), "faces.pkl")
    assert float(said.rpartition("found=")[2].split()[0]) > 0.9, said
    project.snakemake()
    return project


def test_a_second_call_has_nothing_to_do(project):
    assert "Nothing to be done" in project.snakemake()


def test_the_video_has_the_resolution_and_the_provenance_of_the_generator(project):
    path = project.folder / "results" / "animations" / "anna--performance.mp4"
    info = video_reading.probe(path)
    assert (info.width, info.height, info.frames) == (64, 64, 8)
    facts = json.loads(info.metadata["description"])
    assert facts["generator"] == "faces" and facts["generator_sha256"] == texts.sha256(
        project.folder / "faces.pkl"
    )
    assert min(frame.image.std() for frame in video_reading.read_frames(path)) > 20  # no blank frame


def test_its_directions_move_faces(project):
    table = tables.read_parquet(project.folder / "results" / "evaluation" / "table.parquet").to_pylist()
    rows = {(row["method"], row["passes"]): row for row in table if row["protocol"] == "cross-identity"}
    ours = rows["d2animator", 1]
    assert ours["found"] == ours["pairs"]
    assert ours["nme_inter_ocular"] < rows["control-source", -1]["nme_inter_ocular"]


def test_a_photo_is_inverted_consulted_and_tuned_at_64_px(project):
    skimage = pytest.importorskip("skimage.data")
    images.write_image(skimage.astronaut(), project.folder / "astronaut.png")
    shutil.copy(project.folder / "results" / "driving" / "performance.parquet", project.folder)
    stem = "results/animations/astronaut--table"
    configs = (*project.configs, "photo.yaml")
    project.snakemake(configs=configs, targets=[f"{stem}.mp4", f"{stem}--paste-back.mp4"])
    inverted = tables.read_parquet(
        project.folder / "results/sources/astronaut/inversion.parquet"
    ).to_pylist()[0]
    assert inverted["method"] == "hfgi" and inverted["tuned"] and inverted["psnr"] > 8
    assert images.read_image(project.folder / "results/sources/astronaut/aligned.png").shape == (
        1024,
        1024,
        3,
    )
    assert video_reading.probe(project.folder / f"{stem}.mp4").width == 64


def test_a_touched_or_renamed_checkpoint_reruns_no_stage_and_another_one_all(project):
    os.utime(project.folder / "faces.pkl")
    assert project.due() == set()
    (project.folder / "faces.pkl").rename(project.folder / "renamed.pkl")
    overlay = project.folder / "renamed.yaml"
    overlay.write_text("generator: {name: renamed.pkl, draft_size: 64}\n")
    renamed = ("tiny.yaml", "renamed.yaml")
    assert project.due(configs=renamed) <= {"convert_generator"}
    with (project.folder / "renamed.pkl").open("ab") as file:
        file.write(b"\0")
    due = project.due(configs=renamed)
    assert {"sample_latents", "augment_latents", "sample_source", "animate", "animate_pairs"} <= due
