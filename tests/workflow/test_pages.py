"""Pages for readers name what there is."""

import re
from pathlib import Path

import pytest
import yaml

import d2a_core

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = [path.parent.name for path in (ROOT / "d2a_core").glob("*/__init__.py")]
FOLDERS = ["d2a_core", "rules", "workflow_scripts", "tests", "schemas", "profiles", "docs"]
PATH = re.compile(rf"\b(?:(?:{'|'.join(FOLDERS)})/[\w./-]*\w\.\w+|(?:{'|'.join(ROOMS)})/[\w/]+\.py)\b")


def rules():
    """Names of all rules."""
    files = (ROOT / "rules").glob("*.smk")
    return {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(), re.M)}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_names_files_that_exist(page):
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    bases = (ROOT, ROOT / "d2a_core")
    assert [path for path in PATH.findall(text) if not any((base / path).exists() for base in bases)] == []


def test_the_architecture_names_rules_that_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    diagrams = "\n".join(re.findall(r"```mermaid\n(flowchart LR.*?)```", text, re.S))
    named = set(re.findall(r"[a-z]+(?:_[a-z]+)+|animate(?=\s)", re.sub(r"\|.*?\|", "", diagrams)))
    assert named and named <= rules()


def test_the_rooms_are_drawn_in_their_order():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"<b>(\w+)</b>", text)) == sorted(ROOMS)


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == d2a_core.__version__
    assert f"## [{d2a_core.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
