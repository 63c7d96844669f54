"""A project whose every rule has been struck and healed, and finished ones to break."""

import shutil

import pytest
from faulty_project import FaultyProject, isolation
from struck_project import INPUT_TARGETS, MOMENTS, PACKED, TARGETS, Struck, prepare
from tiny_project import FULL, Project

from d2a_core.generator import origins
from d2a_core.store import texts


@pytest.fixture(scope="session")
def struck(assets, tmp_path_factory):
    """Every rule but `fetch_asset`, struck once, without a network where that can be had."""
    folder = tmp_path_factory.mktemp("struck")
    Project(folder, assets, *FULL)
    prepare(folder)
    project = FaultyProject(folder, *FULL, "struck.yaml", wrapper=isolation())
    project.strike(**MOMENTS)
    struck = Struck(project)
    struck.run(*TARGETS)
    (folder / "photos").mkdir()
    for face in sorted((folder / "results/evaluation/faces/held-out").glob("r*.png"))[:3]:
        shutil.copy(face, folder / "photos")
    project.configs += ("struck-inputs.yaml",)
    struck.run(*INPUT_TARGETS)
    shutil.copy(folder / PACKED, folder / "packed.safetensors")
    (folder / "packed.yaml").write_text("fan: {weights: packed.safetensors}\n")
    project.configs = (*FULL, "packed.yaml")
    struck.run("results/bundle/fan/all/base.pt")
    project.configs = (*FULL, "convert.yaml")
    (folder / "convert.yaml").write_text("generator: {name: network.pkl, draft_size: 32}\n")
    struck.run(f"results/generator/{texts.sha256(folder / 'network.pkl')[: origins.KEY_CHARS]}.safetensors")
    project.configs = FULL
    return struck


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished project, to break."""
    yield FaultyProject.copy(finished, tmp_path / "project")
    shutil.rmtree(tmp_path / "project")
