from pathlib import Path

import pytest

from d2a_core.store import texts
from d2a_core.workflow import digest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path):
    """A script that reaches `deep` through `stage`, and a module that it does not reach."""
    for folder in ("scripts", "d2a_core"):
        (tmp_path / folder).mkdir()
    (tmp_path / "scripts" / "run.py").write_text('"""Run."""\nfrom d2a_core import stage, runtime\n')
    (tmp_path / "d2a_core" / "stage.py").write_text("from d2a_core.deep import depth\nGAIN = 2\n")
    (tmp_path / "d2a_core" / "deep.py").write_text('def depth():\n    """Depth."""\n    return 1\n')
    (tmp_path / "d2a_core" / "other.py").write_text("X = 1\n")
    (tmp_path / "d2a_core" / "runtime.py").write_text("X = 1\n")
    return tmp_path


def test_modules_are_found_through_other_modules(project):
    assert digest.modules_of(project / "scripts" / "run.py") == ["deep", "stage"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("stage.py", "# a comment\nfrom d2a_core.deep import depth\n\n\nGAIN = 2\n"),
        ("deep.py", 'def depth():\n    """Another docstring."""\n    return 1\n'),
        ("other.py", "X = 2\n"),
        ("runtime.py", "X = 2\n"),
    ],
)
def test_comments_docstrings_and_unreached_modules_keep_the_digest(project, file, text):
    script = project / "scripts" / "run.py"
    before = digest.code_digest(script)
    (project / "d2a_core" / file).write_text(text)
    assert digest.code_digest(script) == before


@pytest.mark.parametrize(("file", "old", "new"), [("stage.py", "2", "3"), ("deep.py", "1", "2")])
def test_a_changed_constant_changes_the_digest(project, file, old, new):
    script = project / "scripts" / "run.py"
    before = digest.code_digest(script)
    path = project / "d2a_core" / file
    path.write_text(path.read_text().replace(old, new))
    assert digest.code_digest(script) != before


SPEAKS = """
from typing import TYPE_CHECKING

from d2a_core.deep import depth

if TYPE_CHECKING:
    from d2a_core import other


def speak(count: int, log) -> str:
    if count < 0:
        raise ValueError(f"{count} is too small", count)
    log.info("count=%d", count)
    return log.name or depth(count)
"""


def digests_of_edit(project, old, new):
    """Digests of a script before and after an edit of SPEAKS, a module that it reaches."""
    script, path = project / "scripts" / "run.py", project / "d2a_core" / "stage.py"
    path.write_text(SPEAKS)
    before = digest.code_digest(script)
    assert old in SPEAKS
    path.write_text(SPEAKS.replace(old, new))
    return before, digest.code_digest(script)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('f"{count} is too small", count', '"give more", hint="a number"'),
        ('"count=%d", count', '"counted %d of %d", count, 9'),
        ("from d2a_core import other", "from d2a_core import other, stage"),
        ("count: int, log) -> str", 'count: "float", log)'),
    ],
)
def test_words_and_types_keep_the_digest(project, old, new):
    before, after = digests_of_edit(project, old, new)
    assert after == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ValueError", "OSError"),
        ("count < 0", "count < 1"),
        ("log.info", "log.warning"),
        ("depth(count)", "depth(2 * count)"),
        ("log.name or", ""),
    ],
)
def test_what_is_done_changes_the_digest(project, old, new):
    before, after = digests_of_edit(project, old, new)
    assert after != before


def test_what_is_imported_for_types_alone_is_not_reached(project):
    (project / "d2a_core" / "stage.py").write_text(SPEAKS)
    assert digest.modules_of(project / "scripts" / "run.py") == ["deep", "stage"]


def test_training_depends_on_the_network_but_not_on_the_generator():
    reached = digest.modules_of(ROOT / "workflow_scripts" / "train_fan.py")
    assert {"fan.fan", "fan.network", "store.weights"} <= set(reached)
    assert not {"generator.generator", "animation.animations", "faces.landmarks"} & set(reached)


def test_a_cache_gives_the_same_digest_and_notices_an_edit(project, monkeypatch):
    script, cache = project / "scripts" / "run.py", project / "results" / "code.json"
    expected = digest.code_digest(script)

    def asked_anew():
        monkeypatch.setattr(digest, "_parsed", {})
        return digest.code_digest(script, cache=cache)

    assert asked_anew() == expected and cache.is_file()
    with monkeypatch.context() as patch:
        patch.setattr(digest, "bare", lambda tree: pytest.fail("parsed again"))
        assert asked_anew() == expected
    (project / "d2a_core" / "deep.py").write_text("def depth():\n    return 22\n")
    changed = asked_anew()
    assert changed != expected and changed == digest.code_digest(script)
    assert len(texts.read_cache(cache)) == 3  # no trace of the file that was


def test_a_damaged_cache_is_no_cache(project, monkeypatch):
    script, cache = project / "scripts" / "run.py", project / "code.json"
    expected = digest.code_digest(script)
    cache.write_text("{")
    monkeypatch.setattr(digest, "_parsed", {})
    assert digest.code_digest(script, cache=cache) == expected
