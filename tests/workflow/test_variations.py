"""Other features of the workflow, once each, on a few dozen faces of 64 px."""

import json
import os
import shutil
from fractions import Fraction

import numpy as np
import pytest
from tiny_project import SMALL

from d2a_core.media import images, video_reading, video_writing
from d2a_core.store import arrays, tables, texts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    return finished.copy(tmp_path_factory.mktemp("variations") / "project")


def test_head_and_face_follow_two_clips_through_networks_of_their_own(project):
    project.snakemake(targets=["results/animations/anna--both.mp4"], configs=(*SMALL, "groups.yaml"))
    results = project.folder / "results"
    facts = json.loads(video_reading.probe(results / "animations" / "anna--both.mp4").metadata["description"])
    networks = [results / "fan" / group / "base.pt" for group in ("pose", "expression")]
    assert facts["fan_sha256"] == [texts.sha256(path) for path in networks]
    store = arrays.read_zarr(results / "directions" / "directions.zarr", ["pose", "vector"])
    pose = arrays.read_zarr(results / "pairs" / "pose" / "00000.zarr", ["weight"])["weight"]
    assert pose.shape[2] == 4 * store["pose"].sum() < 4 * len(store["vector"])
    driver, own = (
        tables.read_parquet(results / "driving" / f"{clip}.parquet") for clip in ("both", "performance")
    )
    turned = [table["yaw"].to_numpy() for table in (driver, own)]
    assert turned[0] - turned[0][0] == pytest.approx(turned[1] - turned[1][0], abs=1.5)
    canonical = [tables.points_array(table, "canonical") for table in (driver, own)]
    assert canonical[0] == pytest.approx(canonical[1], abs=0.05)


def test_another_tool_is_scored_by_its_folder(project):
    pairs = tables.read_parquet(project.folder / "results" / "evaluation" / "pairs.parquet").to_pylist()
    (project.folder / "other").mkdir()
    for pair in pairs[:3]:
        shutil.copy(
            project.folder / pair["target_image"], project.folder / "other" / f"{pair['pair']:05d}.png"
        )
    project.snakemake(targets=["results/evaluation/scores/other.parquet"], configs=[*SMALL, "external.yaml"])
    scores = tables.read_parquet(
        project.folder / "results" / "evaluation" / "scores" / "other.parquet"
    ).to_pylist()
    assert [row["missing"] for row in scores[:5]] == [False, False, False, True, True]
    assert all(row["nme_inter_ocular"] < 0.002 for row in scores[:3])


def test_an_ablation_trains_only_what_it_changes_and_is_scored_on_the_same_pairs(project):
    shown = project.snakemake(targets=["results/evaluation/scores/coordinates.parquet"])
    assert "coordinates_train_fan" in shown and "coordinates_augment_latents" not in shown
    scores = tables.read_parquet(project.folder / "results" / "evaluation" / "scores" / "coordinates.parquet")
    assert scores["pair"].to_pylist() == [0, 1, 2, 3] and all(scores["found"].to_pylist())


def test_a_photo_follows_a_landmark_table_and_goes_back_into_its_picture(project):
    skimage = pytest.importorskip("skimage.data")
    photo = skimage.astronaut()
    images.write_image(photo, project.folder / "astronaut.png")
    table = project.folder / "performance.parquet"
    shutil.copy(project.folder / "results" / "driving" / "performance.parquet", table)
    stem = "results/animations/astronaut--table"
    kinds = (".mp4", ".sheet.png", ".figures.parquet", "--paste-back.mp4", "--frames")
    project.snakemake(targets=[stem + kind for kind in kinds], configs=[*SMALL, "photo.yaml"])
    inverted = tables.read_parquet(
        project.folder / "results/sources/astronaut/inversion.parquet"
    ).to_pylist()[0]
    assert inverted["method"] == "hfgi" and inverted["tuned"] and inverted["psnr"] > 8
    assert video_reading.probe(project.folder / f"{stem}.mp4").frames == 8
    frames = sorted((project.folder / f"{stem}--frames").glob("*.png"))
    assert len(frames) == 8 and images.read_image(frames[0]).shape == (64, 64, 3)
    pasted = next(video_reading.read_frames(project.folder / f"{stem}--paste-back.mp4")).image
    change = np.abs(pasted.astype(int) - photo).mean(axis=2)
    face, suit = change[80:160, 180:260].mean(), change[300:].mean()
    assert face > 4 * suit  # what little the suit changes is the codec's
    figures = tables.read_parquet(project.folder / f"{stem}.figures.parquet").to_pylist()[0]
    assert figures["frames"] == 8 and 0 < figures["nme"] < 0.5


def test_a_video_is_driven_in_its_own_frames(project):
    stem, clip = "results/footage/performance--performance", "results/driving/performance.mp4"
    kinds = (".mp4", "--side-by-side.mp4", ".sheet.png", ".figures.parquet")
    project.snakemake(targets=[stem + kind for kind in kinds])
    before, after = (video_reading.probe(project.folder / path) for path in (clip, f"{stem}.mp4"))
    assert (after.frames, after.rate, after.height) == (before.frames, before.rate, before.height)
    shown, made = (
        np.stack([frame.image for frame in video_reading.read_frames(project.folder / path)]).astype(int)
        for path in (clip, f"{stem}.mp4")
    )
    change = np.abs(made - shown).mean(axis=(0, 3))
    assert change[:4, :4].mean() < 4  # the codec's
    figures = tables.read_parquet(project.folder / f"{stem}.figures.parquet").to_pylist()[0]
    assert figures["frames"] == figures["footage_frames"] == before.frames
    assert 0 < figures["nme"] < 0.5 and figures["footage_flicker"] > 0


def test_footage_in_which_things_happen_changes_where_a_face_is_and_nowhere_else(project):
    stem, file = "results/footage/happens", project.folder / "happens.mp4"
    faces = [f.image for f in video_reading.read_frames(project.folder / "results/driving/performance.mp4")]
    y, x = np.mgrid[: len(faces[0]), : faces[0].shape[1]]
    meadow = np.stack([80 + x, 200 - 2 * y, 255 - 3 * y], axis=-1).clip(0, 255).astype(np.uint8)
    shown = [*[np.zeros_like(meadow)] * 3, *faces, *[meadow] * 4, *faces[:4]]
    video_writing.write_frames(shown, file, rate=Fraction(25), metadata={}, crf=4)
    (project.folder / "happens.yaml").write_text("driving: {clips: [{name: happens, path: happens.mp4}]}")
    project.snakemake(
        targets=[f"{stem}.zarr", f"{stem}--happens.mp4", f"{stem}--happens.figures.parquet"],
        configs=[*SMALL, "happens.yaml"],
    )
    start = images.read_image(project.folder / "results/evaluation/first-frames/happens.png").astype(int)
    nearest = min(range(len(shown)), key=lambda row: np.abs(start - shown[row]).mean())
    assert 3 <= nearest < 3 + len(faces)
    person = arrays.read_zarr(project.folder / f"{stem}.cast.zarr", ["person"])["person"]
    assert (person < 0).tolist() == [True] * 3 + [False] * len(faces) + [True] * 4 + [False] * 4
    assert len(arrays.read_zarr(project.folder / f"{stem}.zarr", ["wplus"])["wplus"]) == len(faces) + 4
    before, after = (
        np.stack([frame.image for frame in video_reading.read_frames(path)]).astype(int)
        for path in (file, project.folder / f"{stem}--happens.mp4")
    )
    change = np.abs(after - before).mean(axis=(1, 2, 3))
    assert len(after) == len(shown) and change[person < 0].max() < 2  # the codec's
    assert change[person >= 0].min() > change[person < 0].max()
    log = (project.folder / "results/logs/animate_footage/happens--happens.log").read_text()
    assert "left as they were: frames 0 to 2 at 0.00 to 0.08 s, 11 to 14" in log


def test_a_slower_video_and_a_morph_are_made_and_measured(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    (project.folder / "between.yaml").write_text(
        "animations: {fps: 30, slow_motion: 2.0}\n"
        "sources: [{name: anna, seed: 15, truncation: 0.7}, {name: ben, seed: 22, truncation: 0.7}]\n"
        "morphs: [{name: turn, source: anna, start: anna, end: ben, frames: 6, fps: 25, loop: true}]\n"
    )
    stem, morph = "results/animations/anna--performance", "results/morphs/anna--turn"
    targets = [f"{stem}.figures.parquet", f"{stem}.sheet.png", f"{morph}.mp4"]
    project.snakemake(targets=targets, configs=[*SMALL, "between.yaml"])
    info, frames = video_reading.probe(project.folder / f"{stem}.mp4"), round(8 / 25 * 2 * 30)
    assert (info.rate, info.frames) == (30, frames)
    assert video_reading.probe(project.folder / f"{stem}--side-by-side.mp4").frames == frames
    stored = arrays.read_zarr(project.folder / f"{stem}.latents.zarr")
    assert len(stored["delta"]) == len(stored["target"]) == len(stored["time_s"]) == frames
    figures = tables.read_parquet(project.folder / f"{stem}.figures.parquet").to_pylist()[0]
    assert figures["frames"] == frames and figures["lost"] == 0 and 0 < figures["nme"] < 0.5
    assert figures["driver_identity"] < 1 and figures["driver_strangers"] < figures["driver_strangers_high"]
    figures = tables.read_parquet(project.folder / f"{morph}.figures.parquet").to_pylist()[0]
    assert video_reading.probe(project.folder / f"{morph}.mp4").frames == 10 and figures["frames"] == 6
    assert 0 < figures["variation"] < 0.5 and figures["nme_start"] < 0.05
    assert images.image_text(project.folder / f"{morph}.sheet.png")["stage"] == "morphs"


def test_more_samples_leave_the_first_and_their_images_need_not_stay(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    (project.folder / "more.yaml").write_text("latents: {samples: 144}")
    (project.folder / "lean.yaml").write_text("latents: {samples: 144, keep_images: false}")
    stores, tables_of = (project.folder / "results" / stage for stage in ("latents", "landmarks"))
    shards = [f"results/landmarks/{shard:05d}.parquet" for shard in range(3)]

    def drawn(config):
        """Jobs of a run that draw faces and that look at them; and shards whose store has images after it."""
        said = project.snakemake(targets=shards, configs=[*SMALL, config])
        jobs = [said.count(f"rule {rule}:") for rule in ("sample_latents", "detect_landmarks")]
        return jobs, [path.stem for path in sorted(stores.iterdir()) if "image" in arrays.open_zarr(path)]

    assert drawn("lean.yaml") == ([1, 1], ["00000", "00001"])
    assert {path.name for path in stores.iterdir()} == {f"{shard:05d}.zarr" for shard in range(3)}
    lean = tables.read_parquet(tables_of / "00002.parquet")
    assert lean["sample_id"].to_pylist() == list(range(96, 144))
    assert drawn("lean.yaml") == ([0, 0], ["00000", "00001"])
    assert drawn("more.yaml") == ([1, 1], ["00000", "00001", "00002"])
    assert tables.read_parquet(tables_of / "00002.parquet").equals(lean)
    assert drawn("lean.yaml") == drawn("more.yaml") == ([0, 0], ["00000", "00001", "00002"])


def test_a_store_that_is_drawn_again_keeps_its_images(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    (project.folder / "other.yaml").write_text("latents: {keep_images: false, seed: 1}")
    configs, table = [*SMALL, "other.yaml"], "results/landmarks/00001.parquet"
    project.snakemake(targets=[table], configs=configs)
    stores = project.folder / "results" / "latents"
    assert "image" in arrays.open_zarr(stores / "00001.zarr") and not (stores / "00001.passing.zarr").exists()
    assert "Nothing to be done" in project.snakemake(targets=[table], configs=configs)
    shutil.rmtree(stores / "00001.zarr")
    project.snakemake(targets=[table], configs=configs)
    assert "image" not in arrays.open_zarr(stores / "00001.zarr")


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
