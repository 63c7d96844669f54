"""Each rule's first worker is killed while it writes: what the next runs make of it."""

import re
import stat
from collections import Counter

import pytest
from faulty_project import errors, isolation
from struck_project import MOMENTS, UMASK
from tiny_project import ROOT

from d2a_core.store import atomic

pytestmark = pytest.mark.exhaustive
FETCHERS = {"fetch_asset", "fetch_inception"}


def test_every_rule_that_computes_is_struck():
    rules = {
        name
        for path in (ROOT / "rules").glob("*.smk")
        for name in re.findall(r"^rule (\w+):", path.read_text(), re.M)
    }
    assert rules - {"fetch_asset"} == set(MOMENTS)


def test_runs_go_on_until_all_is_done_and_compute_only_what_was_lost(struck):
    assert struck.project.struck() == MOMENTS
    assert struck.rounds[-1][0] == 0
    assert struck.project.runs() == struck.planned + Counter(list(MOMENTS))


def test_a_healed_project_holds_the_bytes_that_the_struck_workers_had_finished(struck):
    unfinished = {rule for rule, moment in MOMENTS.items() if moment in ("inside", "resumable")}
    assert struck.finishers() == MOMENTS.keys() - unfinished
    before = struck.finished_before()
    assert {path: struck.project.digest(path) for path in before} == before


def test_nothing_half_written_is_left_and_every_artefact_is_as_it_was_written(struck):
    said = struck.project.run_d2a("verify")
    assert "as they were written" in said and "leftovers" not in said
    assert atomic.leftovers(struck.project.path("results")) == []


def test_a_killed_worker_is_told_with_its_rule(struck):
    said = "".join(said for _, said in struck.rounds)
    assert all(re.search(rf"Error in rule {rule}:", said) for rule in MOMENTS)
    assert "SIGKILL" in said and not errors(said)


def test_nobody_else_may_read_what_a_run_with_a_strict_umask_leaves(struck):
    folder = struck.project.folder
    made = [path for path in (folder / "results").rglob("*") if not path.is_symlink()]
    modes = {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in made}
    assert len(modes) > 300
    assert {name: oct(mode) for name, mode in modes.items() if mode & UMASK} == {}
    assert all(mode & 0o040 for mode in modes.values())  # but the group may


def test_only_what_fetches_asks_for_a_network(struck):
    if not struck.project.wrapper:
        pytest.skip("a command without a network needs unshare, which is not allowed here")
    assert isolation() == struck.project.wrapper
    asked = struck.project.networked()
    assert set(asked) <= FETCHERS, asked
