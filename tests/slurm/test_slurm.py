"""The whole workflow through profiles/slurm, with what goes wrong on clusters, against a run on this machine."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass

import pytest
from tiny_project import Project

PROFILE = ("--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue")
QUICK = ("--seconds-between-status-checks", "1", "--slurm-init-seconds-before-status-checks", "1")
CPU = ("--set-resources", "train_fan:gpu=0")  # takes the place of all that the profile sets
CANCELLED, STARVED = "hold_out_faces", "track_driving"
SUBMISSIONS = {  # rule or group → its jobs of SLURM, had nothing gone wrong
    **dict.fromkeys(("landmarks", "clusters", "figures", "controls", "scores", "realism"), 1),
    **dict.fromkeys(("fit_draft", "sample_source", "collect_directions", "draw_gallery", "perform_driver"), 1),
    **dict.fromkeys(("hold_out_faces", "take_frames", "track_driving", "train_fan", "animate", "animate_pairs"), 1),
    **dict.fromkeys(("sample_latents", "augment_latents"), 2),
}
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
    """Rule or group of a job of SLURM."""
    return job["Comment"].split("_wildcards_")[0].split("_", 1)[-1]


def submit(cluster, project, *options, targets=()):
    """Run the workflow through the profile."""
    before = {job["JobID"] for job in cluster.jobs()}
    command = [sys.executable, "-m", "snakemake", *targets, *PROFILE, *QUICK, *options]
    done = subprocess.run(
        [*command, "--configfile", *project.configs],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(project.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout, [job for job in cluster.jobs() if job["JobID"] not in before])


def cancel_once(cluster, project, rule, done):
    """Cancel the first job of a rule when its script is at work."""
    log = project.folder / "results" / "logs" / f"{rule}.log"
    while not done.is_set():
        running = [job["JobID"] for job in cluster.jobs() if rule_of(job) == rule and job["State"] == "RUNNING"]
        if running and log.exists():
            cluster.ask("scancel", running[0])
            done.set()
        done.wait(0.3)


def digests(folder):
    """sha256 of every artefact below results/, by its path."""
    results = folder / "results"
    paths = (path for path in results.rglob("*") if path.is_file())
    kept = (path for path in paths if path.relative_to(results).parts[0] not in UNTOLD)
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.fixture(scope="module")
def project(assets, tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("slurm"), assets, "tiny.yaml")
    project.edit("rules/driving.smk", "mem_mb=more(3000)", "mem_mb=more(400)")
    return project


@pytest.fixture(scope="module")
def run(cluster, project, capfd):
    """One run, in which a job is cancelled and another has too little memory at first."""
    done = threading.Event()
    canceller = threading.Thread(target=cancel_once, args=(cluster, project, CANCELLED, done))
    canceller.start()
    started = time.monotonic()
    try:
        run = submit(cluster, project, *CPU)
    finally:
        done.set()
        canceller.join()
    print(f"SLURM jobs={len(run.jobs)} seconds={time.monotonic() - started:.0f}")
    return run
