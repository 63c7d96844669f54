"""Artefacts that are whole or absent."""

import os
import sys
import traceback
from pathlib import Path

import pytest
from made_artefacts import write_pictures, write_store, write_table

from d2a_core.store import atomic, manifests, tables


def only(folder):
    return sorted(child.name for child in folder.iterdir())


def test_atomic_path_replaces_only_on_success(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic.atomic_path(path) as part:
        part.write_text("one")
        assert part.suffix == ".txt" and part.parent == path.parent and not path.exists()
    with pytest.raises(KeyboardInterrupt), atomic.atomic_path(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "one" and only(path.parent) == [".a.txt.manifest.json", "a.txt"]


def test_atomic_path_replaces_a_folder_by_a_folder(tmp_path):
    path = tmp_path / "a"
    (path / "deep").mkdir(parents=True)
    with atomic.atomic_path(path) as part:
        part.mkdir()
        (part / "new").touch()
    assert only(path) == [".manifest.json", "new"] and only(tmp_path) == ["a"]


def _fork(work):
    """Call `work` in a child that ends with it, never going on with the tests; return the child's number."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            failed = sys.exc_info()[0] is not None
            if failed:
                traceback.print_exc()
            os._exit(failed)
    return pid


def test_a_killed_writer_leaves_a_part_that_is_swept_and_no_artefact_is(tmp_path):
    write_store(tmp_path / "results" / "held-out.zarr")
    write_table(tmp_path / "results" / "table.parquet")

    def die():
        with atomic.atomic_path(tmp_path / "results" / "00001.zarr") as part:
            write_store(part / "inner.zarr")
            os._exit(9)  # as SIGKILL: nothing is cleaned up

    assert os.waitstatus_to_exitcode(os.waitpid(_fork(die), 0)[1]) == 9
    (left,) = atomic.leftovers(tmp_path / "results")
    assert left.name.startswith(".00001-") and left.suffix == ".zarr"
    assert not (tmp_path / "results" / "00001.zarr").exists()
    assert atomic.sweep(tmp_path / "results") == 1 and atomic.sweep(tmp_path / "nowhere") == 0
    assert atomic.leftovers(tmp_path / "results") == []
    assert {path.name for path in manifests.artefacts(tmp_path)} == {"held-out.zarr", "table.parquet"}
    assert len(tables.read_parquet(tmp_path / "results" / "table.parquet")) == 50


def test_the_manifest_of_a_deleted_file_is_swept(tmp_path):
    write_table(tmp_path / "table.parquet")
    (tmp_path / "table.parquet").unlink()
    assert atomic.sweep(tmp_path) == 1 and not list(tmp_path.iterdir())


def test_what_is_written_inside_a_folder_on_its_way_is_in_the_folders_manifest_alone(tmp_path):
    write_pictures(tmp_path / "frames")
    hidden = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob(".*")]
    assert hidden == ["frames/.manifest.json"]
    assert set(manifests.manifest(tmp_path / "frames")) == {"000000.png", "000001.png", "000002.png"}


def test_bytes_reach_the_disk_before_the_name_appears(tmp_path, monkeypatch):
    seen = []

    def record(handle):
        name = Path(os.readlink(f"/proc/self/fd/{handle}"))
        seen.append((name.name, (tmp_path / "store.zarr").exists()))

    monkeypatch.setattr(os, "fsync", record)
    write_store(tmp_path / "store.zarr")
    written = {Path(name).name for name in manifests.contents(tmp_path / "store.zarr")} | {".manifest.json"}
    assert written <= {name for name, visible in seen if not visible}
    assert seen[-1] == (tmp_path.name, True)  # the new name itself


def test_two_writers_of_one_folder_leave_the_whole_of_one(tmp_path):
    path = tmp_path / "asset"

    def write(number):
        for _ in range(20):
            with atomic.atomic_path(path) as part:
                part.mkdir()
                for name in ("a", "b"):
                    (part / name).write_text(str(number))

    children = [_fork(lambda number=number: write(number)) for number in range(8)]
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    assert (path / "a").read_text() == (path / "b").read_text()
    assert manifests.damages(path) == [] and [left.name for left in tmp_path.iterdir()] == ["asset"]
