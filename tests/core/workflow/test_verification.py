"""`d2a verify` on a folder of results."""

import numpy as np
import pytest
from click.testing import CliRunner

from d2a_core.commands.cli import main
from d2a_core.media import images
from d2a_core.store import arrays, tables


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results"
    arrays.write_zarr(results / "latents" / "00000.zarr", {"w": np.ones((4, 8))}, attributes={})
    tables.write_parquet({"a": [1, 2]}, results / "landmarks" / "00000.parquet", metadata={})
    images.write_images([np.zeros((4, 4, 3), np.uint8)] * 2, results / "frames")
    (results / "logs").mkdir()
    (results / "logs" / "sample_latents.log").write_text("a log is no artefact")
    return results


def test_whole_results_are_counted_with_their_files(results):
    done = CliRunner().invoke(main, ["verify"])
    assert done.exit_code == 0
    assert done.stdout.startswith("3 artefacts, 6 files, ") and "as they were written" in done.stdout


def test_every_damage_is_a_sentence_and_the_exit_code_is_1(results):
    table, chunk = results / "landmarks" / "00000.parquet", results / "latents" / "00000.zarr/w/c/0/0"
    table.write_bytes(table.read_bytes()[:-1])
    chunk.write_bytes(chunk.read_bytes()[::-1])
    (results / "frames" / "000001.png").unlink()
    done = CliRunner().invoke(main, ["verify", "results"])
    assert done.exit_code == 1
    said = done.stdout.splitlines()
    assert said[0].startswith("results/frames/000001.png is missing; delete the folder results/frames")
    assert said[1].startswith("results/landmarks/00000.parquet has ")
    assert said[2].startswith("results/latents/00000.zarr/w/c/0/0 was altered")
    assert said[3].endswith("3 damaged") and len(said) == 4


def test_what_has_no_manifest_and_what_a_kill_left_is_told(results):
    (results / "notes.md").write_text("by hand")
    (results / "latents" / ".00001-0123abcd.zarr").mkdir()
    done = CliRunner().invoke(main, ["verify", "results"])
    assert done.exit_code == 0
    assert "results/notes.md has no manifest" in done.stdout and "1 leftovers" in done.stdout
    assert "results/latents/.00001-0123abcd.zarr" in done.stdout


def test_a_folder_that_is_not_there_is_one_sentence(results):
    done = CliRunner().invoke(main, ["verify", "elsewhere"])
    assert done.exit_code == 1 and done.stderr.endswith(
        "elsewhere is no folder; give one with results, such as `results`\n"
    )
