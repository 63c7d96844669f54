"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from tiny_project import Project

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def assets() -> Path:
    """Folder of the model files; fetched on first use, skipped with the reason when it cannot be."""
    from d2a_core.store.assets import AssetError, fetch, named

    root = Path(os.environ.get("D2A_ASSETS", ROOT / "data" / "assets"))
    for name in ("mobilestylegan-ffhq", "mediapipe-face", "dlib-face"):
        if not (root / name).is_dir():
            try:
                fetch(named(name), root / name)
            except AssetError as error:
                pytest.skip(str(error))
    return root


@pytest.fixture(scope="session")
def finished(assets, tmp_path_factory):
    """The tiny project when `snakemake` has run in it, to copy and not to change.

    D2A_FINISHED_PROJECT may name a folder to keep it in, for the next session.
    """
    folder = Path(os.environ.get("D2A_FINISHED_PROJECT") or tmp_path_factory.mktemp("finished"))
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "Snakefile").exists():
        project = Project.resume(folder, "tiny.yaml")
        assert not project.due(), f"D2A_FINISHED_PROJECT={folder} is of other code; delete it"
        return project
    project = Project(folder, assets, "tiny.yaml")
    project.snakemake()
    return project


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
