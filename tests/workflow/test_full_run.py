"""The workflow on MobileStyleGAN at 1024 px: real faces, under a strict umask, without a network."""

import json
import re
import stat

import evaluated
import numpy as np
import pytest
from faulty_project import FaultyProject
from finished_projects import UMASK
from PIL import Image
from tiny_project import FULL

from d2a_core.media import images, video_reading
from d2a_core.store import tables
from d2a_core.store.assets import ASSETS

D2A = ("-c", "from d2a_core.commands.cli import main; main()")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(full, tmp_path_factory):
    return full.copy(tmp_path_factory.mktemp("full") / "project")


def test_the_result_is_a_full_size_video_with_its_provenance(project):
    results = project.folder / "results"
    info = video_reading.probe(results / "animations" / "anna--performance.mp4")
    driver = video_reading.probe(results / "driving" / "performance.mp4")
    assert (info.width, info.height) == (1024, 1024)
    assert (info.rate, info.frames) == (driver.rate, driver.frames) == (25, 8)
    assert "Synthetic" in info.metadata["comment"]
    facts = json.loads(info.metadata["description"])
    assert facts["generator_sha256"] == ASSETS["mobilestylegan-ffhq"].sha256
    frames = video_reading.read_frames(results / "animations" / "anna--performance.mp4")
    assert min(frame.image.std() for frame in frames) > 20  # no blank frame


def test_the_evaluation_beats_no_motion_and_wrong_methods_land_where_they_must(project):
    evaluated.check(project.folder)


def test_nobody_else_may_read_what_a_run_with_a_strict_umask_leaves(full):
    made = [path for path in (full.folder / "results").rglob("*") if not path.is_symlink()]
    modes = {str(path.relative_to(full.folder)): stat.S_IMODE(path.stat().st_mode) for path in made}
    assert len(modes) > 300
    assert {name: oct(mode) for name, mode in modes.items() if mode & UMASK} == {}
    assert all(mode & 0o040 for mode in modes.values())  # but the group may


def test_only_what_fetches_asks_for_a_network(full):
    project = FaultyProject(full.folder, *FULL)
    assert len(project.runs()) > 20 and set(project.networked()) <= {"fetch_inception"}


def test_a_made_up_face_is_edited_and_turned_to_the_front(project, tmp_path):
    settings = ("--configfile", str(project.folder / "tiny.yaml"))
    picture, front = tmp_path / "smile.png", tmp_path / "front.png"
    said = project.run(*D2A, "edit", "seed:15", "--yaw", "8", "--output", str(picture), *settings)
    assert "likeness to the source: 0.9" in said or "likeness to the source: 1.0" in said
    assert images.read_image(picture).shape == (1024, 1024, 3)
    facts = images.image_text(picture)
    assert facts["title"] == "Synthetic face" and json.loads(facts["asked"])["yaw"] == 8
    assert facts["generator_sha256"] == ASSETS["mobilestylegan-ffhq"].sha256
    project.run(*D2A, "frontalize", "seed:15", "--output", str(front), *settings)
    assert json.loads(images.image_text(front)["asked"])["smile"] == 0
    purity = tables.read_parquet(project.folder / "results" / "controls" / "purity.parquet")
    assert {"control", "asked", "came", "attribute", "change", "likeness", "found"} <= set(
        purity.column_names
    )


def test_a_photo_is_inverted_by_drafts_and_at_full_size(project):
    data = pytest.importorskip("skimage.data")
    images.write_image(data.astronaut(), project.folder / "astronaut.png")
    results = project.folder / "results/sources/astronaut"
    target = "results/sources/astronaut/inversion.zarr"
    project.snakemake(targets=[target], configs=[*FULL, "drafts.yaml"])
    inverted = tables.read_parquet(results / "inversion.parquet").to_pylist()[0]
    assert inverted["method"] == "optimize" and not inverted["tuned"] and inverted["stitched_psnr"] > 20
    assert images.read_image(results / "aligned.png").shape == (1024, 1024, 3)


def test_the_command_animates_another_face_and_reuses_every_shared_stage(project):
    words = "animate --source seed:21 --driving results/driving/performance.mp4 --output ben.mp4 --cores 2"
    said = project.run(*D2A, *words.split(), "--configfile", "tiny.yaml")
    stages = [line[2:24].strip() for line in said.splitlines() if line.startswith("✓")]
    shown = ["compare motion", "measure animation"]
    assert sorted(stages) == ["animate", *shown, "sample source", "track driving"]
    assert re.search(r"^follows its driver: .* to the source [01]\.\d\d, to the driver 0\.\d\d", said, re.M)
    info = video_reading.probe(project.folder / "ben.mp4")
    assert (info.width, info.height, info.frames) == (1024, 1024, 8)
    assert "Synthetic" in info.metadata["comment"]


def test_a_preview_is_small_and_says_what_it_is(project, tmp_path):
    settings = ("--configfile", str(project.folder / "tiny.yaml"))
    words = ("animate", "seed:15", "--driving", "results/driving/performance.mp4", "--preview")
    project.run(*D2A, *words, "--output", str(tmp_path / "first.mp4"), *settings)
    info = video_reading.probe(tmp_path / "first.mp4")
    assert (info.width, info.height, info.rate, info.frames) == (512, 512, 10, 3)
    assert json.loads(info.metadata["description"])["stage"] == "preview"
    first, *_, last = (frame.image for frame in video_reading.read_frames(tmp_path / "first.mp4"))
    face = np.array(Image.fromarray(images.read_image(aligned_of(project))).resize((512, 512)))
    assert abs(first.astype(int) - face)[:32].mean() < 4  # the backdrop is the photo's
    assert abs(first.astype(int) - last).max() > 20  # and the face has moved


def aligned_of(project):
    return project.folder / "results" / "sources" / "seed-15" / "aligned.png"
