"""Faults of machines and of people on a finished project: what is said, what is lost, and what heals it."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter

import pytest
import yaml
from faulty_project import can_mount, errors, mounted, wait_until
from tiny_project import FULL, SMALL

from d2a_core.store import atomic

pytestmark = pytest.mark.slow
GALLERY = "results/directions/gallery.png"
SHEET = "results/evaluation/pairs.png"
PAIRS = "results/pairs/all/00000.zarr"
LATENTS = "results/latents/00001.zarr"
DAY_S = 86400
NASTY = "$(touch pwned) `touch pwned`; touch pwned '\""


@pytest.fixture
def disk(project):
    """The project with its results on a small disk of their own, and a function that changes the disk."""
    if not can_mount(project.state):
        pytest.skip("a full disk needs mount, which is not allowed here")
    kept, results = project.path("kept"), project.path("results")
    results.rename(kept)
    results.mkdir()
    with mounted(results, size="1g") as change:
        subprocess.run(["cp", "-a", f"{kept}/.", str(results)], check=True)
        yield project, change


def fill(folder, *, but):
    """Fill a disk up to `but` bytes; returns the file that does it."""
    free = shutil.disk_usage(folder).free
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - but)
    return ballast


def hidden_parts(project):
    return atomic.leftovers(project.path("results"))


def lose(project, *names):
    """Delete artefacts; returns their digests."""
    before = {name: project.digest(name) for name in names}
    for name in names:
        atomic.remove(project.path(name))
    return before


def test_a_worker_killed_for_want_of_memory_is_tried_again(project):
    before, seen = lose(project, GALLERY), project.runs()
    project.strike(draw_gallery="half")
    said = project.complete("--retries=1", targets=[GALLERY])
    assert "SIGKILL" in said and "Trying to restart job" in said
    assert project.runs(seen) == Counter(draw_gallery=2)
    assert project.digest(GALLERY) == before[GALLERY]


def test_a_killed_snakemake_locks_until_told_and_what_it_left_running_harms_nothing(project):
    before, seen = lose(project, GALLERY), project.runs()
    project.strike(draw_gallery="hold")
    first = project.start(targets=[GALLERY])
    wait_until(lambda: project.held() == 1)
    first.kill()
    first.wait()
    code, said = project.snakemake(targets=[GALLERY])
    assert code == 1 and "locked" in said and "--unlock" in said
    project.complete("--unlock")
    second = project.start(targets=[GALLERY])
    wait_until(lambda: project.held() == 2)
    project.release()  # now both write
    said, _ = second.communicate()
    assert second.returncode == 0, said
    assert project.runs(seen) == Counter(draw_gallery=2)
    assert project.digest(GALLERY) == before[GALLERY] and not hidden_parts(project)
    assert "Nothing to be done" in project.complete(targets=[GALLERY])


def test_a_snakemake_that_is_asked_to_stop_loses_no_finished_job_and_leaves_no_lock(project):
    before, seen = lose(project, GALLERY, SHEET), project.runs()
    project.strike(draw_gallery="hold", show_pairs="hold")
    first = project.start("--cores=1", targets=[GALLERY, SHEET])
    wait_until(lambda: project.held() == 1)
    first.send_signal(signal.SIGTERM)
    time.sleep(1)
    project.release()
    said, _ = first.communicate()
    assert first.returncode != 0 and "Will exit after finishing currently running jobs" in said
    project.complete(targets=[GALLERY, SHEET])
    assert project.runs(seen) == Counter(draw_gallery=1, show_pairs=1)
    assert {name: project.digest(name) for name in before} == before


def test_a_second_snakemake_in_the_same_folder_is_refused_and_the_first_goes_on(project):
    before, seen = lose(project, GALLERY), project.runs()
    project.strike(draw_gallery="hold")
    first = project.start(targets=[GALLERY])
    wait_until(lambda: project.held() == 1)
    code, said = project.snakemake(targets=[GALLERY])
    assert code == 1 and "no other Snakemake process" in said and str(project.folder) in said
    project.release()
    first.communicate()
    assert first.returncode == 0 and project.runs(seen) == Counter(draw_gallery=1)
    assert project.digest(GALLERY) == before[GALLERY]


@pytest.mark.parametrize("name", [PAIRS, LATENTS])
def test_a_full_disk_is_told_and_leaves_no_half_and_room_heals_it(disk, name):
    project, change = disk
    before, seen = lose(project, name), project.runs()
    ballast = fill(project.path("results"), but=200_000)
    code, said = project.snakemake(targets=[name])
    assert code == 1
    (sentence,) = errors(said)
    assert "No space left on device" in sentence and "Traceback" not in said
    assert not project.path(name).exists() and not hidden_parts(project)
    change("size=2g")
    project.complete(targets=[name])
    assert ballast.exists() and sum(project.runs(seen).values()) == 2
    assert project.digest(name) == before[name]


def test_results_that_may_not_be_written_are_told_and_left_as_they_were(disk):
    project, change = disk
    before, seen = lose(project, GALLERY), project.runs()
    change("ro")
    code, said = project.snakemake(targets=[GALLERY])
    assert code == 1 and "Read-only file system" in said and "results" in said
    change("rw")
    project.complete(targets=[GALLERY])
    assert project.runs(seen) == Counter(draw_gallery=1) and project.digest(GALLERY) == before[GALLERY]


def flip(path):
    """Flip one bit in the middle of a file whose time stays: a disk that forgets."""
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def cut(path):
    """Lose the second half of a file whose time stays."""
    state = path.stat()
    os.truncate(path, state.st_size // 2)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


SHARD = "results/latents/00000.zarr"
DIRECTIONS = "results/directions/directions.zarr"
TABLE = "results/landmarks/00001.parquet"
FAN = "results/fan/all/base.pt"
FACES = "results/evaluation/faces/held-out"
CLIP = "results/driving/performance.mp4"
DAMAGES = {  # file → how it is damaged, the artefact that it belongs to, and a target that reads it
    f"{SHARD}/image/c/0/0/0/0": (flip, SHARD, "results/landmarks/00000.parquet"),
    f"{DIRECTIONS}/zarr.json": (cut, DIRECTIONS, GALLERY),
    TABLE: (flip, TABLE, "results/pairs/all/00001.zarr"),
    FAN: (flip, FAN, "results/animations/anna--performance.mp4"),
    f"{FACES}/s00000.png": (flip, FACES, "results/evaluation/frames/control-source"),
    CLIP: (cut, CLIP, "results/evaluation/first-frames/performance.png"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_artefact_is_refused_by_name_and_deleting_it_heals(project, name):
    damage, artefact, target = DAMAGES[name]
    before = {artefact: project.digest(artefact)}
    before |= lose(project, *([target] if project.path(target).exists() else []))
    seen = project.runs()
    damage(project.path(name))
    code, said = project.snakemake(targets=[target])
    (sentence,) = errors(said)
    assert code == 1 and project.runs(seen).total() == 1
    told = re.search(r"delete (?:the folder |it)?(\S*) and snakemake recomputes it", sentence)
    assert told and artefact in sentence and told[1] in ("", artefact), sentence
    atomic.remove(project.path(artefact))
    project.complete(targets=[artefact, target])
    assert {path: project.digest(path) for path in before} == before


@pytest.mark.parametrize(
    ("name", "target", "configs"),
    [
        ("mediapipe-face/face_landmark.tflite", "results/landmarks/00000.parquet", SMALL),
        ("mobilestylegan-ffhq/SynthesisNetwork.bin", "results/generator/draft.zarr", FULL),
    ],
)
def test_a_damaged_model_file_is_refused_by_name(project, name, target, configs):
    project.configs = configs
    before = lose(project, target)
    model = project.path("data/assets") / name
    intact = model.resolve()
    model.unlink()
    shutil.copy2(intact, model)
    flip(model)
    code, said = project.snakemake(targets=[target])
    (sentence,) = errors(said)
    assert code == 1 and str(model.relative_to(project.folder)) in sentence
    assert f"delete the folder {model.parent.relative_to(project.folder)} and run again" in sentence
    model.unlink()
    model.symlink_to(intact)  # what fetching would bring, without a network
    project.complete(targets=[target])
    if configs == SMALL:  # the other generator has another draft
        assert project.digest(target) == before[target]
    assert "Nothing to be done" in project.complete(targets=[target])


def test_a_store_from_the_future_is_named_with_the_clock_and_touching_it_heals(project):
    stamp = project.path(SHARD) / ".snakemake_timestamp"
    table, future = "results/landmarks/00000.parquet", time.time() + DAY_S
    before = project.digest(table)
    os.utime(stamp, (future, future))
    code, said = project.snakemake(targets=[table])
    assert code == 1 and f"than input {SHARD}" in said and "clock skew" in said
    os.utime(stamp)
    seen = project.runs()
    project.complete(targets=[table])
    assert project.runs(seen) == Counter(detect_landmarks=1) and project.digest(table) == before
    assert "Nothing to be done" in project.complete(targets=[table])


def test_a_table_from_the_future_with_the_same_bytes_reruns_nothing(project):
    moment = time.time() + DAY_S
    os.utime(project.path("results/landmarks/00000.parquet"), (moment, moment))
    assert "Nothing to be done" in project.complete(targets=["results/clusters/mouth-k3.parquet"])


def test_a_table_older_than_its_images_is_computed_again_once_to_the_same_bytes(project):
    table, target = "results/landmarks/00000.parquet", "results/clusters/mouth-k3.parquet"
    before, moment = {name: project.digest(name) for name in (table, target)}, time.time() - 365 * DAY_S
    os.utime(project.path(table), (moment, moment))
    project.complete(targets=[target])
    assert {name: project.digest(name) for name in before} == before
    assert "Nothing to be done" in project.complete(targets=[target])


def test_names_of_files_reach_no_shell(project):
    shutil.copy(project.path(f"{FACES}/s00000.png"), project.path(f"{NASTY}.png"))
    shutil.copy(project.path(CLIP), project.path(f"{NASTY}.mp4"))
    overlay = {
        "sources": [{"name": "me", "image": f"{NASTY}.png", "face": 0}],
        "driving": {"performances": [], "clips": [{"name": "talk", "path": f"{NASTY}.mp4"}]},
    }
    project.path("nasty.yaml").write_text(yaml.safe_dump(overlay))
    project.configs += ("nasty.yaml",)
    aligned, first = "results/sources/me/aligned.png", "results/evaluation/first-frames/talk.png"
    project.complete(targets=[aligned, first])
    assert project.path(aligned).is_file() and project.path(first).is_file()
    assert not list(project.folder.rglob("pwned*"))
