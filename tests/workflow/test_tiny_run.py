"""The whole workflow on a few dozen faces of 64 px, then what an edit reruns."""

import json
import shutil

import evaluated
import numpy as np
import pytest
from tiny_project import NETWORK, SMALL, Project

from d2a_core.media import video_reading
from d2a_core.store import arrays, tables, texts

NAME = "anna--performance"
SUMMARIES = {"summarize_evaluation", "show_pairs", "evaluate_first_pairs"}
SCORES = SUMMARIES | {"score_frames", "measure_realism"}
FROM_FAN = SCORES | {
    "train_fan", "train_fan_in_image_space", "animate", "compare_motion", "measure_animation",
    "animate_pairs",
}  # fmt: skip
FROM_CLUSTERS = FROM_FAN | {
    "cluster_landmarks", "collect_directions", "draw_gallery", "augment_latents", "perform_driver",
    "track_driving", "hold_out_faces", "take_frames", "make_baselines",
}  # fmt: skip


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    return finished.copy(tmp_path_factory.mktemp("tiny") / "project")


@pytest.mark.slow
def test_what_one_project_has_distilled_animates_a_face_in_another(project, finished, assets, tmp_path):
    packed = "results/bundle/faces.safetensors"
    project.snakemake(targets=[packed])
    (tmp_path / "other").mkdir()
    other = Project(tmp_path / "other", assets, *SMALL, "own.yaml", network=project.folder / NETWORK)
    shutil.copy(project.folder / packed, other.folder / "bought.safetensors")
    (other.folder / "own.yaml").write_text("fan: {weights: bought.safetensors}")
    video = "results/animations/anna--performance.mp4"
    said = other.snakemake(targets=[video])
    assert "FAN comes from bought.safetensors" in said
    trained = {path.name for path in (other.folder / "results").iterdir()}
    assert not trained & {"latents", "landmarks", "clusters", "pairs", "goals", "fan"}
    facts = json.loads(video_reading.probe(other.folder / video).metadata["description"])
    assert facts["bundle_sha256"] == texts.sha256(other.folder / "bought.safetensors")
    assert facts["generator_sha256"] == texts.sha256(project.folder / NETWORK)
    # its faces move as those of the project that has trained it, though their driver is performed anew
    one, two = (
        arrays.read_zarr(folder / f"results/animations/{NAME}.latents.zarr")["delta"].ravel()
        for folder in (project.folder, other.folder)
    )
    assert one @ two > 0.7 * np.linalg.norm(one) * np.linalg.norm(two)


def test_a_second_call_has_nothing_to_do(project):
    assert "Nothing to be done" in project.snakemake()


def test_the_video_has_the_resolution_and_the_provenance_of_the_generator(project):
    path = project.folder / "results" / "animations" / "anna--performance.mp4"
    info, driver = (
        video_reading.probe(path),
        video_reading.probe(project.folder / "results/driving/performance.mp4"),
    )
    assert (info.width, info.height) == (64, 64)
    assert (info.rate, info.frames) == (driver.rate, driver.frames) == (25, 8)
    assert "Synthetic" in info.metadata["comment"]
    facts = json.loads(info.metadata["description"])
    assert facts["generator"] == "faces"
    assert facts["generator_sha256"] == texts.sha256(project.folder / NETWORK)
    assert min(frame.image.std() for frame in video_reading.read_frames(path)) > 20  # no blank frame


def test_artefacts_have_the_columns_of_the_contract(project):
    results = project.folder / "results"
    table = tables.read_parquet(results / "landmarks" / "00000.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert types["sample_id"] == "int64" and types["found"] == "bool"
    assert types["points"] == "fixed_size_list<element: float>[196]"
    assert {types[name] for name in ("score", "yaw", "pitch", "roll")} == {"float"}
    driving = tables.read_parquet(results / "driving" / "performance.parquet")
    assert {"frame", "time_s", "found", "score", "points", "yaw", "pitch", "roll"} <= set(
        driving.column_names
    )
    latents = arrays.open_zarr(results / "latents" / "00000.zarr")
    assert {name: (latents[name].shape[1:], str(latents[name].dtype)) for name in ("z", "w", "image")} == {
        "z": ((512,), "float32"),
        "w": ((512,), "float32"),
        "image": ((64, 64, 3), "uint8"),
    }
    vectors = arrays.read_zarr(results / "directions" / "directions.zarr", ["vector"])["vector"]
    assert vectors.shape[1:] == (8, 512)


def test_the_evaluation_beats_no_motion_and_wrong_methods_land_where_they_must(project):
    evaluated.check(project.folder)


@pytest.mark.parametrize(
    ("edits", "due"),
    [
        ([("tiny.yaml", "restarts: 2", "restarts: 3")], FROM_CLUSTERS),
        (
            [
                ("tiny.yaml", "rows: 3", "rows: 4"),
                ("config.yaml", "sheet_columns: 12", "sheet_columns: 5"),
                ("d2a_core/evaluation/summary.py", "RESAMPLES_SEED = 2000, 0", "RESAMPLES_SEED = 2000, 1"),
            ],
            {"draw_gallery", "compare_motion", "summarize_evaluation", "evaluate_first_pairs"},
        ),
        (
            [
                ("d2a_core/fan/fan.py", "-2 * x.abs()", "-3 * x.abs()"),
                ("d2a_core/fan/pairs.py", "import torch\n", "import torch  # a comment\n"),
                ("workflow_scripts/augment_latents.py", "def main(", "# a comment\ndef main("),
            ],
            FROM_FAN,
        ),
        ([("config.yaml", "keep_images: true", "keep_images: false")], set()),
    ],
    ids=[
        "clusters",
        "gallery, sheet, maths of evaluation",
        "maths of fan, comments on pairs",
        "images that need not stay",
    ],
)
def test_an_edit_reruns_exactly_what_depends_on_it(project, edits, due):
    undo = [project.edit(*edit) for edit in edits]
    try:
        assert project.due() == due
    finally:
        for back in undo:
            back()
