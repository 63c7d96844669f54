"""Imports that wait until they are needed: one process that imports more and more."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys

heavy = ("torch", "torchvision", "zarr", "pyarrow", "PIL", "av", "numpy")
seen = {}

def look(name):
    seen[name] = [module for module in heavy if module in sys.modules]

import d2a_core.commands.cli
look("cli")
import d2a_core.generator.origins, d2a_core.runtime
look("workflow")
import numpy as np
from d2a_core.media import images
from d2a_core.store import arrays, tables
folder = sys.argv[1]
arrays.write_zarr(folder + "/s.zarr", {"a": np.zeros(2)}, attributes={})
arrays.read_zarr(folder + "/s.zarr")
tables.write_parquet({"a": [1]}, folder + "/t.parquet", metadata={})
images.write_image(np.zeros((1, 1, 3), np.uint8), folder + "/i.png")
look("artefacts")
from d2a_core.evaluation import inception
seen["function"] = inception.fidelity_module("metric_kid").kid_features_to_metric.__name__
look("fidelity")
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path_factory.mktemp("imports"))]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_help_is_quick_to_come(seen):
    assert seen["cli"] == []


def test_a_workflow_is_parsed_without_torch(seen):
    assert "torch" not in seen["workflow"]


def test_tables_stores_and_pictures_do_not_import_torch(seen):
    assert "torch" not in seen["artefacts"] and "pyarrow" in seen["artefacts"]


def test_modules_of_torch_fidelity_come_without_torchvision_and_leave_no_stand_in(seen):
    assert seen["function"] == "kid_features_to_metric"
    assert "torchvision" not in seen["fidelity"]
