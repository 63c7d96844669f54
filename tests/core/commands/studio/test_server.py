"""`d2a studio` before it serves anything."""

import importlib.util
import socket

import pytest
from click.testing import CliRunner

from d2a_core.commands.cli import main
from d2a_core.commands.studio import server


def test_without_its_packages_it_says_in_one_sentence_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ended = CliRunner().invoke(main, ["studio"])
    assert ended.exit_code == 1 and ended.stderr.count("\n") == 1
    assert "needs starlette and uvicorn; run make studio" in ended.stderr


def test_a_taken_port_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"port {port} of 127.0.0.1 cannot be had \([^()]+\); give"):
            server._listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("127.0.0.1", server.LOOPBACK),
        ("localhost", server.LOOPBACK),
        ("::1", server.LOOPBACK),
        ("0.0.0.0", ()),
    ],
)
def test_on_loopback_it_answers_only_to_the_names_of_the_loopback(host, names):
    assert server._names(host) == names
