"""Every script can be imported and has the one function that Snakemake calls."""

import importlib.util
import inspect
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "workflow_scripts").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_what_it_names(path):
    specification = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    assert list(inspect.signature(script.main).parameters) == ["snakemake"]
