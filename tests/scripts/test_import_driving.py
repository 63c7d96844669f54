"""The script that takes a landmark table for a clip writes what every other clip has."""

from importlib import util
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media import video_reading
from d2a_core.store import arrays, tables

SCRIPT = Path(__file__).parents[2] / "workflow_scripts" / "import_driving.py"


def test_a_table_becomes_a_table_in_our_layout_and_a_video_of_it(tmp_path):
    face = 0.25 * template_of(WFLW98)[None, :, :2] + [0.5, 0.4]
    typical = {"points": face.astype(np.float32), "strangers": np.zeros((1, 128), np.float32)}
    arrays.write_zarr(tmp_path / "reference.zarr", typical, attributes={})
    given = {
        "time_s": np.arange(20) / 24,
        "found": np.arange(20) % 6 > 0,
        "points": tables.points_column(np.repeat(0.5 * face + 0.2, 20, axis=0)),
    }
    tables.write_parquet(given, tmp_path / "given.parquet", metadata={})
    spec = util.spec_from_file_location("import_driving", SCRIPT)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(
        SimpleNamespace(
            input=SimpleNamespace(table=tmp_path / "given.parquet", reference=tmp_path / "reference.zarr"),
            output=SimpleNamespace(table=tmp_path / "a.parquet", video=tmp_path / "a.mp4"),
            log=[tmp_path / "log"],
            threads=1,
            wildcards=SimpleNamespace(table="a"),
            params=SimpleNamespace(size=64),
        )
    )
    table, info = tables.read_parquet(tmp_path / "a.parquet"), video_reading.probe(tmp_path / "a.mp4")
    assert (info.rate, info.frames, info.has_audio) == (24, 20, False)
    np.testing.assert_allclose(tables.points_array(table), np.repeat(face, 20, axis=0), atol=1e-5)
    facts = tables.parquet_metadata(tmp_path / "a.parquet")
    assert (facts["stage"], facts["rate"], facts["interpolated"], facts["held"]) == ("driving", "24", 3, 1)
