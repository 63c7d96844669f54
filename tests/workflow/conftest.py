"""A stub of the workflow, and `d2a animate` in it."""

import pytest
from click.testing import CliRunner
from stub_workflow import Place

import d2a_core
from d2a_core.commands.cli import main


@pytest.fixture
def place(tmp_path, monkeypatch):
    place = Place(tmp_path)
    monkeypatch.setattr(d2a_core, "ROOT", place.root)
    monkeypatch.chdir(place.home)
    return place


@pytest.fixture
def run(place):
    return lambda **options: CliRunner().invoke(main, place.words(**options))
