import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from d2a_core.commands.cli import main
from d2a_core.media import images
from d2a_core.media.video_writing import write_frames
from d2a_core.store import arrays, tables, texts, weights
from d2a_core.workflow import difference

FACTS = {"stage": "latents", "generator": "g", "options": {"seed": 0}}


@pytest.fixture
def runs(tmp_path):
    """Two equal results folders with one artefact of every kind."""
    first, second = tmp_path / "a" / "results", tmp_path / "b" / "results"
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    arrays.write_zarr(first / "latents" / "00000.zarr", {"w": rows, "z": rows}, attributes=FACTS)
    points = tables.points_column(np.zeros((4, 3, 2)))
    columns = {"yaw": np.array([0.0, 1.0, np.nan, 3.0]), "points": points, "name": list("abcd")}
    tables.write_parquet(columns, first / "landmarks" / "00000.parquet", metadata=FACTS)
    import torch

    state = {"network": {"weight": torch.zeros(3)}, "epoch": 2, "provenance": FACTS}
    weights.write_checkpoint(state, first / "fan" / "all" / "base.pt")
    images.write_image(np.zeros((8, 8, 3), np.uint8), first / "sources" / "me" / "aligned.png", text=FACTS)
    texts.write_json({"scale": 2.0}, first / "sources" / "me" / "alignment.json")
    texts.write_text("# Table\n| 1 |\n", first / "evaluation" / "table.md")
    (first / "logs").mkdir()
    shutil.copytree(first, second)
    return first, second


def kinds(runs, **options):
    stages = difference.compare(*runs, **options)
    return {path: (how.kind, how.detail) for stage in stages for path, how in stage.differing}


def test_equal_runs_are_equal_whatever_their_logs_and_hidden_files_say(runs):
    texts.write_text("other", runs[1] / "logs" / "x.log")
    texts.write_text("other", runs[1] / "latents" / ".manifest.json")
    texts.write_text("other", runs[1] / "latents" / "00000.zarr" / ".manifest.json")
    texts.write_text("s\n1", runs[1] / "ablations" / "sefa" / "benchmarks" / "train_fan.tsv")
    assert kinds(runs) == {}


def test_the_first_difference_is_that_of_the_earliest_stage(runs):
    texts.write_text("# Table\n| 2 |\n", runs[1] / "evaluation" / "table.md")
    texts.write_json({"scale": 3.0}, runs[1] / "sources" / "me" / "alignment.json")
    (runs[1] / "landmarks" / "00000.parquet").unlink()
    said = difference.show(difference.compare(*runs))
    assert said.startswith("first difference: landmarks/00000.parquet: missing: only in the first\n")
    assert list(kinds(runs)) == [
        "landmarks/00000.parquet",
        "sources/me/alignment.json",
        "evaluation/table.md",
    ]
    assert kinds(runs)["sources/me/alignment.json"] == ("values", "scale 2.0 → 3.0")
    assert kinds(runs)["evaluation/table.md"] == ("values", "line 2: | 1 | → | 2 |")


def test_values_of_a_store_tell_the_array_the_row_and_the_largest_difference(runs):
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    moved = rows.copy()
    moved[3, 1] += 0.25
    moved[5, 0] -= 0.5
    arrays.write_zarr(runs[1] / "latents" / "00000.zarr", {"w": moved, "z": rows}, attributes=FACTS)
    assert kinds(runs) == {
        "latents/00000.zarr": ("values", "w by up to 0.5, first in row 3, 2 of 12 values"),
    }


def test_another_shape_is_told_before_values(runs):
    rows = np.ones((5, 2), np.float32)
    arrays.write_zarr(runs[1] / "latents" / "00000.zarr", {"w": rows, "image": rows}, attributes=FACTS)
    told = "image only in the second; w is float32 [6, 2] and float32 [5, 2]; z only in the first"
    assert kinds(runs)["latents/00000.zarr"] == ("shape", told)


def test_values_of_a_table_where_nan_equals_nan(runs):
    points = np.zeros((4, 3, 2))
    points[2, 1, 1] = 0.5
    columns = {
        "yaw": np.array([0.0, 1.0, np.nan, 3.0]),
        "points": tables.points_column(points),
        "name": list("abxd"),
    }
    tables.write_parquet(columns, runs[1] / "landmarks" / "00000.parquet", metadata=FACTS)
    told = "points by up to 0.5, first in row 2, 1 of 24 values; name differs first in row 2: 'c' → 'x'"
    assert kinds(runs) == {"landmarks/00000.parquet": ("values", told)}


def test_provenance_alone_is_told_as_such_and_may_be_ignored(runs):
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    other = {**FACTS, "options": {"seed": 1}}
    arrays.write_zarr(runs[1] / "latents" / "00000.zarr", {"w": rows, "z": rows}, attributes=other)
    images.write_image(np.zeros((8, 8, 3), np.uint8), runs[1] / "sources" / "me" / "aligned.png", text=other)
    assert kinds(runs) == {
        "latents/00000.zarr": ("provenance", "options.seed 0 → 1"),
        "sources/me/aligned.png": ("provenance", "options.seed 0 → 1"),
    }
    assert kinds(runs, values_only=True) == {}


def test_other_bytes_of_the_same_content_are_encoding(runs):
    path = runs[1] / "sources" / "me" / "aligned.png"
    images.write_image(np.zeros((8, 8, 3), np.uint8), path, text=FACTS, compress_level=0)
    assert kinds(runs) == {"sources/me/aligned.png": ("encoding", "other bytes, the same content")}
    assert kinds(runs, values_only=True) == {}


def test_a_weight_and_a_plain_value_of_a_checkpoint_are_values(runs):
    import torch

    state = {"network": {"weight": torch.tensor([0.0, 0.0, 2.0])}, "epoch": 3, "provenance": FACTS}
    weights.write_checkpoint(state, runs[1] / "fan" / "all" / "base.pt")
    told = "network.weight by up to 2, first in row 2, 1 of 3 values; epoch 2 → 3"
    assert kinds(runs) == {"fan/all/base.pt": ("values", told)}


def test_a_damaged_artefact_is_told_and_not_raised(runs):
    (runs[1] / "fan" / "all" / "base.pt").write_bytes(b"PK")
    kind, detail = kinds(runs)["fan/all/base.pt"]
    assert kind == "damaged" and "base.pt has 2 bytes instead of" in detail


def test_videos_are_compared_by_frame_and_by_header(runs):
    grey = np.full((64, 64, 3), 90, np.uint8)
    for run, last in zip(runs, (90, 200), strict=True):
        frames = [grey, grey, np.full_like(grey, last)]
        write_frames(frames, run / "animations" / "changed.mp4", rate=25, metadata={"comment": "x"})
        write_frames(frames[: 3 - (run == runs[1])], run / "animations" / "short.mp4", rate=25, metadata={})
        note = {"description": f'{{"seed": {last}}}'}
        write_frames([grey], run / "animations" / "noted.mp4", rate=25, metadata=note)
    found = kinds(runs)
    kind, detail = found["animations/changed.mp4"]
    assert kind == "values" and "first in frame 2, 1 of 3 frames" in detail
    assert found["animations/short.mp4"] == ("shape", "the second ends after 2 frames")
    assert found["animations/noted.mp4"] == ("provenance", "description.seed 90 → 200")


def test_an_ablation_has_its_stages_in_order(runs):
    for path in ("fan/all/base.pt", "directions/x.json"):
        texts.write_text("1", runs[0] / "ablations" / "sefa" / path)
    assert list(kinds(runs)) == ["ablations/sefa/directions/x.json", "ablations/sefa/fan/all/base.pt"]


def test_the_exit_code_tells_equal_from_different_from_wrong(runs, tmp_path):
    def code(*words):
        return CliRunner().invoke(main, ["diff", *map(str, words)]).exit_code

    assert code(*runs) == 0
    assert code(runs[0], tmp_path) == 2  # no results folder
    assert code(runs[0], tmp_path / "none") == 2
    texts.write_text("# Table\n| 2 |\n", runs[1] / "evaluation" / "table.md")
    assert code(*runs) == 1


def test_by_default_each_stage_shows_one_difference_of_a_kind_and_with_all_every_one(runs):
    for name in ("00001", "00002"):
        texts.write_text("{}", runs[0] / "latents" / f"{name}.json")
    rows = np.zeros((6, 2), np.float32)
    arrays.write_zarr(runs[1] / "latents" / "00000.zarr", {"w": rows, "z": rows}, attributes=FACTS)
    stages = difference.compare(*runs)
    brief, full = difference.show(stages), difference.show(stages, everything=True)
    assert "latents: 3 of 3 differ (1 values, 2 missing)" in brief and "landmarks: 1 equal" in brief
    assert "  latents/00000.zarr: values: w by up to 11, first in row 0" in brief
    assert "00001" in brief and "00002" not in brief and "00002" in full
