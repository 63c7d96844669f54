"""Rooms of d2a_core: each may import itself and those before it in the order of the data flow."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "d2a_core"
ORDER = (
    "store",
    "media",
    "faces",
    "generator",
    "directions",
    "inversion",
    "fan",
    "animation",
    "evaluation",
    "workflow",
    "commands",
)
MODULES = sorted(path.relative_to(CORE) for path in CORE.rglob("*.py"))


def imported(path):
    """Dotted names below d2a_core that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse((CORE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("d2a_core.") for name in names if name.startswith("d2a_core."))


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_its_own_room_and_those_before_it(path):
    room = path.parts[0].removesuffix(".py")
    allowed = ORDER[: ORDER.index(room) + 1] if room in ORDER else ()
    for name in imported(path):
        other = name.split(".")[0]
        assert other not in ORDER or other in allowed or room not in ORDER, f"{room} may not import {name}"


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=str)
def test_the_door_of_a_room_holds_one_docstring_and_no_code(path):
    if path.parts[0] not in ORDER:
        return
    (docstring,) = ast.parse((CORE / path).read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr) and isinstance(docstring.value.value, str)


def test_no_module_imports_itself_through_others():
    names = {".".join(path.with_suffix("").parts): path for path in MODULES if path.name != "__init__.py"}
    edges = {name: set(imported(path)) & names.keys() for name, path in names.items()}
    graphlib.TopologicalSorter(edges).prepare()  # raises CycleError, which names the circle
