import dataclasses
import importlib.util
from pathlib import Path
from types import SimpleNamespace

from d2a_core.store import assets

SCRIPT = Path(__file__).parents[2] / "workflow_scripts" / "fetch_asset.py"


def test_script_fetches_the_asset_of_its_params_and_logs(tmp_path, monkeypatch):
    own = tmp_path / "own.bin"
    own.write_bytes(b"weights")
    asset = assets.Asset("tiny", "path", str(own), (("", "net.bin"),), None, "MIT", 7)
    monkeypatch.setattr("sys.excepthook", None)
    spec = importlib.util.spec_from_file_location("fetch_asset", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(
        SimpleNamespace(
            output=[str(tmp_path / "assets" / "tiny")],
            log=[str(tmp_path / "logs" / "tiny.log")],
            params=SimpleNamespace(asset=dataclasses.asdict(asset)),
        )
    )
    assert (tmp_path / "assets" / "tiny" / "net.bin").read_bytes() == b"weights"
    assert " INFO assets fetched=tiny " in (tmp_path / "logs" / "tiny.log").read_text()
