"""Hash the meaning of the core code: a stage reruns when its maths changes, not when a comment does."""

import ast
import hashlib
from pathlib import Path

from d2a_core.store import texts

PACKAGE = "d2a_core"
NO_RESULT = {  # cannot change a result
    "config",
    "evaluation.ablations",
    "generator.origins",
    "runtime",
    "store.assets",
    "store.atomic",
    "store.lineage",
    "store.manifests",
    "workflow.digest",
}
_parsed: dict[str, list] = {}  # by path: time and size of the file, the modules it imports, its meaning
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, *FUNCTIONS)
LOGS = ("log", "self.log")


def code_digest(script: Path, cache: Path | None = None) -> str:
    """Digest of `script` and of every d2a_core module it imports, directly or through others.

    Layout, comments and what `bare` strips do not count. `script` lies in a folder beside the package. What
    the file `cache` knows of files that have not changed since is not parsed again: every job of a run asks
    anew.
    """
    if cache is not None and not _parsed:
        _parsed.update(texts.read_cache(cache))
    known = dict(_parsed)
    root = script.parent.parent
    digest = hashlib.sha256()
    for path in [script, *(_file(root, module) for module in modules_of(script))]:
        digest.update(_read(path)[0].encode())
    if cache is not None and _parsed != known:
        texts.write_cache(_parsed, cache)
    return digest.hexdigest()[:12]


def modules_of(script: Path) -> list[str]:
    """Names of the d2a_core modules that `script` reaches, sorted, such as `fan.network`."""
    root = script.parent.parent
    found: set[str] = set()
    queue = [script]
    while queue:
        for module in imports(queue.pop()):
            if module not in found | NO_RESULT and _file(root, module).is_file():
                found.add(module)
                queue.append(_file(root, module))
    return sorted(found)


def imports(path: Path) -> list[str]:
    """Names of the d2a_core modules that a file may import, sorted; some may be names within a module."""
    return _read(path)[1]


def bare(tree: ast.Module) -> ast.Module:
    """Strip a syntax tree of what changes no result, in place.

    These are docstrings, the words of errors and of log lines, the types of functions, and imports for types
    alone.
    """
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            del node.body[0]
        if isinstance(node, FUNCTIONS):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            _clear(node.exc)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _logs(node.value.func):
            _clear(node.value)
    return tree


def _logs(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and ast.unparse(function.value) in LOGS


def _clear(call: ast.Call) -> None:
    call.args, call.keywords = [], []


def _file(root: Path, module: str) -> Path:
    return root.joinpath(PACKAGE, *module.split(".")).with_suffix(".py")


def _read(path: Path) -> tuple[str, list[str]]:
    """Meaning of a file and the modules that it imports; a file that has not changed is parsed once."""
    state = path.stat()
    stamp = [state.st_mtime_ns, state.st_size]
    if _parsed.get(str(path), [])[:2] != stamp:
        tree = bare(ast.parse(path.read_text(encoding="utf-8")))
        meaning = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
        _parsed[str(path)] = [*stamp, sorted(_imports(tree)), meaning]
    *_, modules, digest = _parsed[str(path)]
    return digest, modules


def _imports(tree: ast.Module) -> set[str]:
    """Candidates for modules: `from d2a_core.a import b` gives both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    prefix = f"{PACKAGE}."
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
