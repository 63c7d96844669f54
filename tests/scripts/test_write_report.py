"""The script that writes the report finds the pictures of the pairs it shows, with and without the rest."""

from importlib import util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from d2a_core.media import images
from d2a_core.store import tables

SCRIPT = Path(__file__).parents[2] / "workflow_scripts" / "write_report.py"
KEYS = {"method": ["d2animator"], "passes": [1], "protocol": ["cross-identity"], "dataset": ["held-out"]}
PARTS = ("inter_ocular", "contour", "brows", "eyes", "nose", "mouth")
MEANS = {f"nme_{part}{end}": [0.05] for part in PARTS for end in ("", "_low", "_high")}
COUNTS = {"pairs": [1], "missing": [0], "found": [1]}
SCORE = {"nme_inter_ocular": [0.05], "csim": [0.9], "yaw_error": [1.0], "target_yaw": [20.0]}
NAMES = {"pair": [0], "source": ["s00000"], "target": ["t00000"], "missing": [False], "found": [True]}
IMAGES = {"pair": [0], "source_image": ["s.png"], "target_image": ["t.png"]}
ABLATION = {
    f"{name}{end}": [0.01] for name in ("nme_difference", "csim_difference") for end in ("", "_low", "_high")
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = "results/evaluation/frames/d2animator/1/00000.png"
    for name in ("s.png", "t.png", frame, "gallery.png", "a--b.sheet.png"):
        images.write_image(np.zeros((64, 64, 3), np.uint8), name)
    facts = {"generator": "tiny", "generator_sha256": "0" * 64}
    tables.write_parquet(KEYS | COUNTS | MEANS, "table.parquet", metadata=facts)
    tables.write_parquet(KEYS | NAMES | SCORE, "scores.parquet", metadata={})
    tables.write_parquet(IMAGES, "pairs.parquet", metadata={})
    trained = {"faces": [10], "pair_renders": [20]}
    tables.write_parquet(KEYS | COUNTS | MEANS | ABLATION | trained, "ablations.parquet", metadata={})
    return tmp_path


@pytest.mark.parametrize("more", [[], ["ablations.parquet"]])
def test_the_report_is_one_file(folder, more):
    spec = util.spec_from_file_location("write_report", SCRIPT)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tables = {"table": "table.parquet", "scores": "scores.parquet", "pairs": "pairs.parquet"}
    others = {"ablations": more, "videos": [], "gallery": ["gallery.png"], "sheets": ["a--b.sheet.png"]}
    module.main(
        SimpleNamespace(
            input=SimpleNamespace(**tables, **others),
            output=SimpleNamespace(report="report.html"),
            log=["log"],
            threads=1,
        )
    )
    text = Path("report.html").read_text(encoding="utf-8")
    assert "tiny" in text and text.count("data:image/jpeg") == 2 * 3 + 2  # two rankings, gallery, sheet
    assert ('id="ablations"' in text) == bool(more)
