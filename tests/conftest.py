"""Fixtures shared by all tests."""

import functools
import os
from pathlib import Path

import finished_projects
import pytest
import random_generators


@pytest.fixture(scope="session")
def assets() -> Path:
    """Folder of the model files; fetched on first use, skipped with the reason when it cannot be."""
    from d2a_core.store.assets import AssetError

    try:
        return finished_projects.model_files()
    except AssetError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def made(assets, tmp_path_factory):
    """Makes the finished project of a kind, to copy and not to change.

    A variable of the environment may name a folder to keep it in, for the next session.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def make(kind):
        folder = Path(os.environ.get(finished_projects.VARIABLES[kind]) or shared / f"{kind}-project")
        return finished_projects.finished(kind, folder, assets)

    return make


@pytest.fixture(scope="session")
def finished(made):
    """The tiny project on a StyleGAN2 of 64 px when `snakemake` has run in it."""
    return made("small")


@pytest.fixture(scope="session")
def full(made):
    """The tiny project on MobileStyleGAN at 1024 px when `snakemake` has run in it, with its controls."""
    return made("full")


@pytest.fixture(scope="session")
def small_network(assets) -> Path:
    """Checkpoint of the StyleGAN2 of 64 px, in NVIDIA's format."""
    return finished_projects.small_network(assets)


@pytest.fixture(scope="session")
def small(small_network):
    """Loads the StyleGAN2 of 64 px, on as many threads as it is told."""
    from d2a_core.generator import foreign_checkpoints, stylegan2
    from d2a_core.generator.generator import PretrainedGenerator
    from d2a_core.store.lineage import Identity

    def load(*, threads: int) -> PretrainedGenerator:
        found = foreign_checkpoints.load(small_network)
        network = stylegan2.build(found.architecture, found.state)
        identity = Identity("small", "0" * 64)
        return PretrainedGenerator(network.mapping, network.synthesis, identity=identity, threads=threads)

    return load


@pytest.fixture(scope="session")
def mobile(assets):
    """Loads MobileStyleGAN, on as many threads as it is told."""
    from d2a_core.generator import mobile_stylegan
    from d2a_core.generator.generator import PretrainedGenerator
    from d2a_core.store.lineage import Identity

    def load(*, threads: int) -> PretrainedGenerator:
        networks = mobile_stylegan.load(assets / "mobilestylegan-ffhq")
        return PretrainedGenerator(*networks, identity=Identity("mobile", "0" * 64), threads=threads)

    return load


@pytest.fixture(scope="session")
def random():
    """Loads a StyleGAN2 of 64 px with random weights, on as many threads as it is told."""
    return functools.partial(random_generators.random_generator, 64)


def _also_mobile(quick):
    return [quick, pytest.param("mobile", marks=pytest.mark.slow)]


@pytest.fixture(scope="session", params=_also_mobile("small"))
def load_faces(request):
    """Loads a generator of faces: the small one, and MobileStyleGAN where there is time."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session", params=_also_mobile("random"))
def load_generator(request):
    """Loads a generator: one with random weights, and MobileStyleGAN where there is time."""
    return request.getfixturevalue(request.param)
