"""The workflow through profiles/slurm, with what goes wrong on clusters, against a run on this machine."""

import hashlib
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass

import pytest
from faulty_project import STRIKING, FaultyProject
from tiny_project import FULL, SMALL, TARGETS, Project

from d2a_core.store import atomic

PROFILE = ("--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue")
# Snakemake, but that the plugin looks at its jobs every second; of itself it waits ten seconds longer after
# every look in vain.
SNAKEMAKE = """
from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor
Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, value: None)
main()
"""
CPU = ("--set-resources", "train_fan:gpu=0")  # takes the place of all that the profile sets
CANCELLED, STARVED = "hold_out_faces", "track_driving"
GROUPS = ("landmarks", "figures", "scores", "realism")
ALONE = (
    *("convert_generator", "fit_draft", "sample_source", "cluster_landmarks", "collect_directions"),
    *(
        "draw_gallery",
        "perform_driver",
        "take_frames",
        "hold_out_faces",
        "track_driving",
        "draw_goals",
        "train_fan",
        "train_fan_in_image_space",
        "animate",
    ),
    *("evaluate_first_pairs", "make_baselines", "measure_reference"),
)
# Rule or group → its jobs of SLURM where nothing goes wrong; there are two shards.
TWICE = ("sample_latents", "augment_latents", "animate_pairs")  # each shard, and what takes gradient steps
SUBMISSIONS = dict.fromkeys((*GROUPS, *ALONE), 1) | dict.fromkeys(TWICE, 2)
UNTOLD = {"logs", "benchmarks", ".state"}  # times, machines, paths


@dataclass(frozen=True)
class Run:
    """How a run through the profile ended, what it said, and its jobs as SLURM knows them."""

    code: int
    said: str
    jobs: list

    def of(self, name):
        """Submissions of a rule or group, oldest first."""
        return [job for job in self.jobs if rule_of(job) == name]


def rule_of(job):
    """Rule or group of a job of SLURM, whose comment says `rule_` and the names of group and rules."""
    name = job["Comment"].split("_wildcards_")[0].removeprefix("rule_")
    return next((group for group in GROUPS if name.startswith(f"{group}_")), name)


def submit(cluster, project, *options, targets=TARGETS):
    """Run the workflow through the profile."""
    before = {job["JobID"] for job in cluster.jobs()}
    command = [sys.executable, "-c", SNAKEMAKE, *targets, *PROFILE, *options]
    done = subprocess.run(
        [*command, "--configfile", *project.configs],
        cwd=project.folder,
        env=cluster.environment
        | {"PYTHONPATH": f"{STRIKING}:{project.folder}", "D2A_STRIKES": str(project.folder / "strikes")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout, [job for job in cluster.jobs() if job["JobID"] not in before])


def cancel_once(cluster, struck, rule, done):
    """Cancel the first job of a rule when it is about to write."""
    while not done.is_set():
        running = [job for job in cluster.jobs() if job["State"] == "RUNNING" and rule_of(job) == rule]
        if running and struck.held():
            cluster.ask("scancel", running[0]["JobID"])
            struck.release()
            done.set()
        done.wait(0.3)


def digests(folder):
    """sha256 of every artefact below results/, by its path; what a cancelled job left half done is none."""
    results = folder / "results"
    left = set(atomic.leftovers(results))
    paths = (path for path in results.rglob("*") if path.is_file() and not left & {path, *path.parents})
    kept = (path for path in paths if path.relative_to(results).parts[0] not in UNTOLD)
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.fixture(scope="module")
def project(assets, small_network, tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("slurm"), assets, *SMALL, network=small_network)
    project.edit("rules/driving.smk", "mem_mb=more(3000)", "mem_mb=more(400)")
    return project


@pytest.fixture(scope="module")
def run(cluster, project, pytestconfig):
    """One run, in which a job is cancelled and another has too little memory at first."""
    done = threading.Event()
    struck = FaultyProject(project.folder, *project.configs)
    struck.strike(**{CANCELLED: "hold"})
    canceller = threading.Thread(target=cancel_once, args=(cluster, struck, CANCELLED, done))
    canceller.start()
    started = time.monotonic()
    try:
        run = submit(cluster, project, *CPU)
    finally:
        done.set()
        canceller.join()
    reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")
    reporter.write_line(f"SLURM jobs={len(run.jobs)} seconds={time.monotonic() - started:.0f}")
    return run


def test_a_run_survives_a_cancelled_and_a_starved_job(run, project):
    assert run.code == 0, run.said[-6000:]
    assert [job["State"] for job in run.of(CANCELLED)] == ["CANCELLED", "COMPLETED"]
    *starved, last = run.of(STARVED)
    assert starved and {job["State"] for job in starved} == {"FAILED"} and last["State"] == "COMPLETED"
    asked = [int(job["MinMemory"].removesuffix("M")) for job in [*starved, last]]
    assert asked == [400 * 2**attempt for attempt in range(len(asked))]


def test_no_job_is_submitted_that_need_not_be(run):
    submitted = Counter(rule_of(job) for job in run.jobs)
    spare = {CANCELLED: 1, STARVED: len(run.of(STARVED)) - 1}
    assert {name: count - spare.get(name, 0) for name, count in submitted.items()} == SUBMISSIONS


def test_a_group_asks_for_the_time_of_all_its_jobs_and_the_memory_of_one(run):
    (landmarks,) = run.of("landmarks")  # two jobs of 30 minutes
    assert (landmarks["TimeLimit"], landmarks["MinMemory"]) == ("1:00:00", "3000M")


def test_the_results_are_those_of_a_run_on_this_machine(run, project, finished):
    ours, theirs = digests(project.folder), digests(finished.folder)
    assert {"evaluation/table.md", "fan/all/base.pt", "animations/anna--performance.mp4"} <= ours.keys()
    assert {path for path, digest in ours.items() if theirs.get(path) != digest} == set()


def test_moving_to_the_cluster_and_back_reruns_nothing(run, cluster, project):
    assert "Nothing to be done" in project.snakemake()
    again = submit(cluster, project)
    assert (again.code, again.jobs) == (0, []) and "Nothing to be done" in again.said


def test_logs_of_failed_submissions_are_kept(run, project):
    logs = project.folder / "results" / "logs" / "slurm"
    kept = {path.stem for path in logs.rglob("*.log")}
    assert kept == {job["JobID"] for job in run.jobs if job["State"] != "COMPLETED"}
    (starved, *_) = [path for path in logs.rglob("*.log") if path.stem == run.of(STARVED)[0]["JobID"]]
    assert "memory limit" in starved.read_text()


def test_a_gpu_is_asked_for_and_its_absence_is_one_sentence(cluster, assets, tmp_path):
    torch = pytest.importorskip("torch")
    project = Project(tmp_path, assets, *FULL)
    run = submit(cluster, project, "--retries", "0", targets=["results/generator/draft.zarr"])
    (job,) = run.jobs
    assert "TresPerJob=gres:gpu:1" in cluster.ask("scontrol", "show", "job", job["JobID"])
    if not torch.cuda.is_available():
        assert run.code == 1
        assert "the resources ask for gpu=1 but PyTorch sees no CUDA device" in run.said
