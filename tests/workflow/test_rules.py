"""The form of rules and scripts, as the style of the project has it."""

import ast
import re

import pytest
from tiny_project import ROOT
from writers import SCRIPTS, strays

from d2a_core import STAGES

ORDER = "input output log benchmark priority group retries threads resources params script".split()


def _rules():
    text = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    found = re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", text, re.M)
    return [pytest.param(name, body, id=name) for name, body in found]


@pytest.mark.parametrize(("name", "body"), _rules())
def test_a_rule_has_its_parts_in_order_under_its_own_name(name, body):
    keys = re.findall(r"^    (\w+):", body, re.M)
    assert [key for key in ORDER if key in keys] == keys
    assert {"output", "log", "benchmark", "threads", "resources", "params", "script"} <= set(keys)
    assert re.match(r'    """[A-Z].*\."""\n', body)
    assert f'"../workflow_scripts/{name}.py"' in body
    assert f'"results/logs/{name}' in body and f'"results/benchmarks/{name}' in body
    assert "lambda" not in body
    assert re.search(r"^        mem_mb=more\(\d+\),", body, re.M)
    assert re.search(r"^        runtime=more\(\d+\),", body, re.M)
    if name != "fetch_asset":  # a better downloader is no reason to download again
        assert f'core_digest("{name}")' in body


def test_input_functions_lie_apart_from_rules_and_no_order_of_rules_is_needed():
    for path in (ROOT / "rules").glob("*.smk"):
        text = path.read_text()
        assert not (re.search(r"^rule ", text, re.M) and re.search(r"^def ", text, re.M)), path.name
        assert "ruleorder" not in text, path.name


def test_every_wildcard_is_constrained_once():
    texts = [path.read_text() for path in (ROOT / "rules").glob("*.smk")]
    blocks = [
        block
        for text in texts
        for block in re.findall(r"^wildcard_constraints:\n((?:    .*\n)+)", text, re.M)
    ]
    constrained = re.findall(r"^    (\w+)=", "".join(blocks), re.M)
    used = set()
    for param in _rules():
        outputs = re.search(r"^    output:\n((?:        .*\n)+)", param.values[1], re.M)[1]
        used |= set(re.findall(r"(?<!\{)\{([a-z]\w*)\}", re.sub(r"labels=.*", "", outputs)))
    assert sorted(constrained) == sorted(used)


def test_the_stages_stand_in_the_snakefile_in_their_order_and_each_has_a_folder_of_results():
    files = {path.stem: path.read_text() for path in (ROOT / "rules").glob("*.smk")}
    included = re.findall(r'^include: "rules/(\w+)\.smk"', (ROOT / "Snakefile").read_text(), re.M)
    assert set(included) == files.keys() - {"variant"}
    shared = re.compile(r"common|inputs_|assets")
    stages = [name.split("_")[0] for name in included if not shared.match(name)]  # evaluation has parts
    assert tuple(dict.fromkeys(stages)) == STAGES
    written = re.findall(r"^    output:\n((?:        .*\n)+)", "".join(files.values()), re.M)
    folders = set(re.findall(r'"results/(\w+)/', "".join(written)))
    assert folders == set(STAGES) - {"ablations"}  # those have the rules of other stages


def test_every_script_belongs_to_a_rule():
    assert {path.stem for path in SCRIPTS} == {param.values[0] for param in _rules()}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_moves_bytes_and_does_not_think(path):
    tree = ast.parse(path.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in functions] == ["main"]
    assert functions[0].end_lineno - functions[0].lineno < 45
    thinking = (ast.For, ast.While, ast.If, ast.BinOp, ast.Lambda, ast.ListComp)
    assert not [node for node in ast.walk(functions[0]) if isinstance(node, thinking)]


def test_all_that_a_script_leaves_is_written_whole():
    assert strays() == []


@pytest.mark.parametrize("path", sorted((ROOT / "d2a_core").rglob("*.py")), ids=lambda path: path.stem)
def test_the_core_knows_nothing_of_snakemake_and_keeps_its_functions_short(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            assert not any(name.split(".")[0] == "snakemake" for name in names)
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 55, node.name
