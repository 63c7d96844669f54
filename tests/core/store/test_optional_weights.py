import hashlib
import json
import threading
from pathlib import Path

import pytest
from local_server import Quiet, served

from d2a_core.store import optional_weights

WEIGHTS = bytes(range(256)) * 300
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def server():
    """A local web server: `/net.pth` is WEIGHTS, `/cut.pth` breaks off, `/slow.pth` is silent."""
    free = threading.Event()

    class Handler(Quiet):
        def do_GET(self):
            if self.path == "/slow.pth":
                free.wait(10)
            known = self.path in ("/net.pth", "/cut.pth")
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(WEIGHTS) if known else 0))
            self.end_headers()
            if known:
                self.wfile.write(WEIGHTS[:5000] if self.path == "/cut.pth" else WEIGHTS)

    with served(Handler) as address:
        yield address
        free.set()


def obtain(source, folder, timeout_s=5.0):
    return optional_weights.obtain("net", source, folder, timeout_s=timeout_s)


def shown(folder):
    """Files that a download left, but for hidden ones."""
    return [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")]


def test_a_download_is_kept_and_needs_no_network_again(server, tmp_path):
    source = {"url": f"{server}/net.pth", "sha256": DIGEST}
    path = obtain(source, tmp_path)
    assert path == tmp_path / "net" / "net.pth" and path.read_bytes() == WEIGHTS
    assert obtain({"url": f"{server}/net.pth", "sha256": DIGEST}, tmp_path, timeout_s=1e-9) == path


def test_a_damaged_copy_is_fetched_again(server, tmp_path):
    source = {"url": f"{server}/net.pth", "sha256": DIGEST}
    obtain(source, tmp_path).write_bytes(b"damaged")
    assert obtain(source, tmp_path).read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("page", "digest", "reason"),
    [
        ("net.pth", "0" * 64, f"has the sha256 {DIGEST} instead of {'0' * 64}"),
        ("cut.pth", DIGEST, "cut.pth could not be downloaded"),
        ("none.pth", DIGEST, "none.pth could not be downloaded"),
    ],
)
def test_what_goes_wrong_is_told_and_leaves_nothing_under_the_name(server, tmp_path, page, digest, reason):
    found = obtain({"url": f"{server}/{page}", "sha256": digest}, tmp_path)
    assert isinstance(found, str) and reason in found and "\n" not in found
    assert shown(tmp_path) == []


def test_a_silent_server_is_given_up(server, tmp_path):
    assert "could not be downloaded" in obtain(
        {"url": f"{server}/slow.pth", "sha256": DIGEST}, tmp_path, 0.05
    )


def test_no_network_is_a_reason_and_no_error(tmp_path):
    for url in ("http://127.0.0.1:9/net.pth", "https://no-such-host.invalid/net.pth", "nonsense"):
        assert "could not be downloaded" in obtain({"url": url, "sha256": DIGEST}, tmp_path)
    assert shown(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_a_reason(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    found = obtain({"url": f"{server}/net.pth", "sha256": DIGEST}, tmp_path / "file")
    assert isinstance(found, str) and str(tmp_path / "file") in found


def test_own_file_is_used_where_it_lies(tmp_path):
    own = tmp_path / "own.pth"
    assert obtain({"path": str(own)}, tmp_path) == f"there is no file {own} for net; correct its path"
    own.write_bytes(b"weights")
    assert obtain({"path": str(own)}, tmp_path) == own


def test_weights_that_are_known_by_name_are_fetched_like_others(server, tmp_path, monkeypatch):
    known = {"url": f"{server}/net.pth", "sha256": DIGEST}
    monkeypatch.setitem(optional_weights.KNOWN, "torch-fidelity", known)
    assert obtain("torch-fidelity", tmp_path).read_bytes() == WEIGHTS


def test_nothing_configured_is_said_so(tmp_path):
    assert obtain(None, tmp_path) == "no weights are configured for net"


@pytest.mark.parametrize("found", [Path("data/net.pth"), "no weights are configured for net"])
def test_a_record_of_what_was_found_gives_it_back(found):
    record = optional_weights.record(found)
    assert optional_weights.recorded(json.loads(json.dumps(record))) == found


def test_weights_are_those_whose_name_carries_the_start_of_their_hash():
    known = optional_weights.KNOWN["torch-fidelity"]
    assert known["url"].endswith(f"-{known['sha256'][:8]}.pth")
