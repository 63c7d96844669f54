"""The networks of a first look are loaded once, before it is asked for, where they are there."""

import threading

import numpy as np
import pytest

import d2a_core
from d2a_core import config
from d2a_core.commands import preview
from d2a_core.commands.requests import Request
from d2a_core.commands.studio import first_looks
from d2a_core.media import images

WHOLE = config.configuration(d2a_core.ROOT, [])
PATIENCE_S = 20


class Networks:
    """Stands for what makes previews: it writes empty ones."""

    def __init__(self, work, whole, *, threads):
        type(self).loaded += 1
        type(self).begun.set()
        assert self.may_go_on.wait(PATIENCE_S)
        if self.fault:
            raise self.fault

    def warm(self):
        type(self).warmed += 1

    def aligned(self, path, face):
        return images.read_image(path)

    def hurried(self, photo):
        return photo

    def moves(self, subject, output):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(b"")


@pytest.fixture
def networks(monkeypatch):
    """Networks that load at once."""
    for name, value in (("loaded", 0), ("warmed", 0), ("fault", None)):
        monkeypatch.setattr(Networks, name, value, raising=False)
    for name in ("begun", "may_go_on"):
        monkeypatch.setattr(Networks, name, threading.Event(), raising=False)
    Networks.may_go_on.set()
    monkeypatch.setattr(first_looks, "Previewer", Networks)
    return Networks


@pytest.fixture
def work(tmp_path):
    """A work directory with a photo and, of what a look needs, empty files."""
    folder = tmp_path.resolve() / "work"
    for path in preview.movers(WHOLE, folder).values():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")
    images.write_image(np.zeros((64, 64, 3), np.uint8), tmp_path / "me.png")
    return folder


def look(looks, work):
    return looks.make(Request(source=str(work.parent / "me.png"), work=work))


def test_a_look_finds_loaded_what_was_warmed(work, networks):
    looks = first_looks.FirstLooks(WHOLE, threads=1)
    looks.warm(work).join(PATIENCE_S)
    assert (networks.loaded, networks.warmed) == (1, 1)
    assert look(looks, work).exists()
    assert networks.loaded == 1


def test_a_look_that_comes_early_waits_for_the_same_networks(work, networks):
    networks.may_go_on.clear()
    looks = first_looks.FirstLooks(WHOLE, threads=1)
    looks.warm(work)
    assert networks.begun.wait(PATIENCE_S)
    made = []
    early = threading.Thread(target=lambda: made.append(look(looks, work)))
    early.start()
    early.join(0.2)
    assert not made
    networks.may_go_on.set()
    early.join(PATIENCE_S)
    assert len(made) == 1 and networks.loaded == 1


@pytest.mark.parametrize("missing", ["a model", "the unpacked bundle", "a bundle"])
def test_nothing_is_loaded_where_something_is_missing(work, networks, missing):
    whole = config.merged(WHOLE, {"fan": {"weights": "train"}}) if missing == "a bundle" else WHOLE
    paths = preview.movers(WHOLE, work)
    if missing == "a bundle":
        base = work / preview.movers(whole, work)["fan"]
        base.parent.mkdir(parents=True)
        base.write_bytes(b"")
    else:
        (work / paths["dlib-face" if missing == "a model" else "fan"]).unlink()
    first_looks.FirstLooks(whole, threads=1).warm(work).join(PATIENCE_S)
    assert networks.loaded == 0


def test_a_fault_in_warming_is_left_for_the_look_to_say(work, networks, capfd):
    networks.fault = ValueError("base.pt is damaged; delete it")
    looks = first_looks.FirstLooks(WHOLE, threads=1)
    looks.warm(work).join(PATIENCE_S)
    assert networks.loaded == 1 and capfd.readouterr() == ("", "")
    with pytest.raises(ValueError, match="base.pt is damaged; delete it"):
        look(looks, work)
