"""Writers of files, found in the syntax trees of scripts and of the modules that they reach."""

import ast

from tiny_project import ROOT

from d2a_core.workflow import digest

SCRIPTS = sorted((ROOT / "workflow_scripts").glob("*.py"))
WHOLE = "atomic_path"  # what is written inside its block is whole or absent
WRITING = {
    *("write_text", "write_bytes", "tofile", "save", "savez", "savez_compressed", "savetxt", "save_file"),
    *("write_table", "dump", "to_csv", "to_parquet", "copyfile", "copytree", "move", "symlink_to"),
}
IN_MEMORY = {"BytesIO", "StringIO"}


def sources():
    """Syntax trees of the scripts and of the modules that they reach, by path."""
    reached = {module for script in SCRIPTS for module in digest.modules_of(script)}
    modules = [ROOT.joinpath("d2a_core", *module.split(".")).with_suffix(".py") for module in reached]
    return {path: ast.parse(path.read_text()) for path in [*SCRIPTS, *sorted(modules)]}


def writers():
    """Names of the functions and classes that give what they write its name when it is whole."""
    return {
        part.name
        for tree in sources().values()
        for part in tree.body
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and WHOLE in _called(part)
    }


def strays():
    """Places that write a file in another way, as `file:line`."""
    found = []
    for path, tree in sources().items():
        ours = _imported(tree) | {part.name for part in tree.body if hasattr(part, "name")}
        for part in tree.body:
            if not {WHOLE, *IN_MEMORY} & _called(part):
                calls = (node for node in ast.walk(part) if isinstance(node, ast.Call))
                found += [f"{path.name}:{call.lineno}" for call in calls if _writes(call, ours)]
    return found


def _called(tree):
    """Names of all functions and methods that are called."""
    return {_name(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def _name(call):
    return getattr(call.func, "attr", None) or getattr(call.func, "id", None)


def _imported(tree):
    """Names under which modules and functions of the core are known."""
    lines = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [line for line in lines if (line.module or "").split(".")[0] == digest.PACKAGE]
    return {alias.asname or alias.name for line in ours for alias in line.names}


def _writes(call, ours):
    owner = getattr(getattr(call.func, "value", call.func), "id", None)
    if owner in ours:
        return False
    if owner in ("shutil", "os"):
        return _name(call) in WRITING | {"copy", "copy2", "rename", "replace", "link"}
    if _name(call) == "open":
        words = [*call.args, *(word.value for word in call.keywords)]
        modes = [word.value for word in words if isinstance(word, ast.Constant)]
        return any(isinstance(mode, str) and set(mode) & set("wax+") and len(mode) < 4 for mode in modes)
    return isinstance(call.func, ast.Attribute) and call.func.attr in WRITING
