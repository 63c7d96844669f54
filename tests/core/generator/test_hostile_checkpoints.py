"""`foreign_checkpoints.load` refuses whatever is no generator, also what `machine.load` takes."""

import os
import time

import hostile_checkpoints as hostile
import pytest

from d2a_core.generator import foreign_checkpoints

LINKS = {
    "link_to_nothing": "nothing",
    "link_to_itself": "link_to_itself.safetensors",
    "link_to_a_folder": "/etc",
    "link_to_a_device": "/dev/zero",
    "link_to_another_file": "/etc/passwd",
}


def assert_refused(path):
    start = time.monotonic()
    with pytest.raises(ValueError, match=path.name) as refusal:
        foreign_checkpoints.load(path)
    message = str(refusal.value)
    assert "; " in message and message.isprintable() and len(message) < 1000, message
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("name", hostile.RUNNING)
def test_code_is_refused_and_not_run(tmp_path, name):
    canary = tmp_path / "touched"
    (tmp_path / f"{name}.pkl").write_bytes(hostile.RUNNING[name](str(canary)))
    assert_refused(tmp_path / f"{name}.pkl")
    assert not canary.exists()


@pytest.mark.parametrize("name", hostile.mistaken())
def test_parts_that_are_something_else_are_refused(tmp_path, name):
    (tmp_path / f"{name}.pkl").write_bytes(hostile.mistaken()[name])
    assert_refused(tmp_path / f"{name}.pkl")


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("name", hostile.safetensors())
def test_broken_safetensors_are_refused(tmp_path, name, suffix):
    (tmp_path / f"{name}.{suffix}").write_bytes(hostile.safetensors()[name])
    assert_refused(tmp_path / f"{name}.{suffix}")


@pytest.mark.parametrize("name", LINKS)
def test_links_lead_to_a_checkpoint_or_are_refused(tmp_path, name):
    path = tmp_path / f"{name}.safetensors"
    path.symlink_to(LINKS[name])
    assert_refused(path)


def test_pipes_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    assert_refused(tmp_path / "pipe.safetensors")
