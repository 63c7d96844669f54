"""The SLURM that all tests here share."""

import pytest
from slurm_cluster import Cluster


@pytest.fixture(scope="session")
def cluster():
    """A running SLURM."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
