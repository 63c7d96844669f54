"""What a script imports: no more than its digest knows of, and PyTorch only where it computes with it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from d2a_core.workflow import digest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "d2a_core"
SCRIPTS = sorted((ROOT / "workflow_scripts").glob("*.py"))
WITHOUT_TORCH = [
    "cluster_landmarks",
    "collect_videos",
    "combine_driving",
    "compare_footage",
    "compare_motion",
    "draw_pairs",
    "extract_frames",
    "fetch_asset",
    "fetch_inception",
    "hold_out_source",
    "import_driving",
    "make_baselines",
    "paste_back",
    "show_pairs",
    "summarize_ablations",
    "summarize_evaluation",
    "take_first_frame",
    "write_report",
]
IMPORTER = """
import importlib.util, json, sys

seen = {}
for path in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "d2a_core"]:
        del sys.modules[name]
    specification = importlib.util.spec_from_file_location("script", path)
    specification.loader.exec_module(importlib.util.module_from_spec(specification))
    core = [name for name, module in sys.modules.items() if not hasattr(module, "__path__")]  # no rooms
    core = [name.partition(".")[2] for name in core if name.startswith("d2a_core.")]
    seen[path] = {"core": core, "torch": "torch" in sys.modules}
print(json.dumps(seen))
"""


def file_of(module):
    return CORE.joinpath(*module.split(".")).with_suffix(".py")


def with_those_of(modules):
    """The modules and all that they import, at their top or inside functions."""
    found, queue = set(), list(modules)
    while queue:
        module = queue.pop()
        if module not in found and file_of(module).is_file():
            found.add(module)
            queue += digest.imports(file_of(module))
    return found


def compute_with_torch(modules):
    top = re.compile(r"^(import|from) (torch|pytorch_msssim)\b", re.M)
    return any(top.search(file_of(module).read_text(encoding="utf-8")) for module in modules)


@pytest.fixture(scope="module")
def seen():
    """By script: the modules of d2a_core that it imports, and whether PyTorch is there by then."""
    order = sorted(SCRIPTS, key=lambda path: path.stem not in WITHOUT_TORCH)  # PyTorch cannot be unloaded
    command = [sys.executable, "-c", IMPORTER, *map(str, order)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return {Path(path).stem: found for path, found in json.loads(done.stdout).items()}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_digest_knows_of_every_module_that_its_script_imports(script, seen):
    known = {*digest.modules_of(script), *with_those_of(digest.NO_RESULT)}
    assert set(seen[script.stem]["core"]) <= known


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_torch_is_imported_with_the_script_that_computes_with_it_and_with_no_other(script, seen):
    """Only then `runtime.limit_threads` gives it its threads."""
    expected = script.stem not in WITHOUT_TORCH
    assert seen[script.stem]["torch"] == expected
    assert compute_with_torch(digest.modules_of(script)) == expected
    assert compute_with_torch(seen[script.stem]["core"]) == expected


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_pytorch_has_the_threads_of_its_rule_with_a_single_core_too(script):
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    body = re.search(rf"^rule {script.stem}:\n((?:    .*\n|\n)+)", rules, re.M)[1]
    threads = re.search(r"^    threads: (\d+)$", body, re.M)[1]
    least = re.search(r"runtime\.start\(snakemake, least=(\d+)\)", script.read_text())
    assert (least[1] if least else "1") == ("1" if script.stem in WITHOUT_TORCH else threads)


def test_the_rules_are_read_without_torch():
    """Snakemake reads them at every start, and before every job."""
    texts = [path.read_text() for path in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk"))]
    lines = re.findall(r"^(?:from d2a_core\S* import|import d2a_core).*$", "\n".join(texts), re.M)
    code = "\n".join([*sorted(set(lines)), "import sys", "print('torch' in sys.modules)"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
