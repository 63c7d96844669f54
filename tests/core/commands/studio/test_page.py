"""The page of the studio without a browser: its modules fit together, and its policy lets them load."""

import fnmatch
import re
import tomllib
from pathlib import Path

import pytest

from d2a_core.commands.studio import server

ROOT = Path(__file__).parents[4]
PAGE = Path(server.__file__).parent / "page"
HTML = (PAGE / "index.html").read_text(encoding="utf-8")
MODULES = {path.name: path.read_text(encoding="utf-8") for path in PAGE.glob("*.js")}
IMPORT = re.compile(r'^import (?:\{ (?P<names>[^}]+) \} from )?"\./(?P<module>[\w.]+)";$', re.M)


def imports(name):
    """Names that a module takes, by the module that it takes them from."""
    found = IMPORT.finditer(MODULES[name])
    return {match["module"]: (match["names"] or "").replace(",", " ").split() for match in found}


def exports(name):
    """Names that a module gives."""
    return set(re.findall(r"^export (?:async )?(?:function|const|let) (\$|\w+)", MODULES[name], re.M))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_what_there_is_and_uses_it(name):
    assert MODULES[name].count("\nimport ") == len(imports(name))  # none in another form, or from elsewhere
    for module, names in imports(name).items():
        assert set(names) <= exports(module)
        body = IMPORT.sub("", MODULES[name])
        assert all(re.search(rf"(?<![\w.]){re.escape(each)}(?!\w)", body) for each in names)


def test_modules_have_an_order_and_the_page_reaches_all():
    left, order = dict.fromkeys(sorted(MODULES)), []
    while left:
        free = [name for name in left if not imports(name).keys() & left.keys()]
        assert free, f"a circle among {', '.join(left)}"
        order += free
        left = {name: None for name in left if name not in free}
    assert order[-1] == "studio.js"
    reached, waiting = set(), ["studio.js"]
    while waiting:
        reached.add(name := waiting.pop())
        waiting += imports(name).keys() - reached
    assert reached == MODULES.keys()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_elements_that_a_module_names_are_on_the_page(name):
    ids = re.findall(r'\$\("([\w-]+)"\)', MODULES[name])
    assert set(ids) <= set(re.findall(r'\bid="([\w-]+)"', HTML))


def test_the_page_loads_scripts_and_styles_of_its_own_alone():
    assert re.findall(r"<script.*?>", HTML) == ['<script type="module" src="/page/studio.js">']
    assert not re.search(r"<style| style=| on\w+=", HTML)  # the policy allows none within the page
    assert not re.search(r"https?://", HTML + "".join(MODULES.values()))


def test_all_of_the_page_is_installed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    (pattern,) = settings["package-data"]["d2a_core.commands.studio"]
    files = [path.relative_to(PAGE.parent).as_posix() for path in PAGE.rglob("*") if path.is_file()]
    assert len(files) > len(MODULES) and all(fnmatch.fnmatch(file, pattern) for file in files)
