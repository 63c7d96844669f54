"""The SLURM that all tests here share, and the same results computed without it."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from slurm_cluster import Cluster
from tiny_project import Project


@pytest.fixture(scope="session")
def cluster():
    """A running SLURM."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def finished(assets, tmp_path_factory):
    """The tiny project when it has run on this machine alone; D2A_FINISHED_PROJECT may name such a folder."""
    given = os.environ.get("D2A_FINISHED_PROJECT")
    if given:
        assert (Path(given) / "results" / "evaluation" / "table.md").is_file(), (
            f"D2A_FINISHED_PROJECT={given} holds no finished tiny project; unset it to compute one"
        )
        return SimpleNamespace(folder=Path(given))
    project = Project(tmp_path_factory.mktemp("local"), assets, "tiny.yaml")
    project.snakemake()
    return project
