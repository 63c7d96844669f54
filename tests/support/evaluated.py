"""A finished evaluation, whichever generator made it."""

import numpy as np
import pytest

from d2a_core.store import tables


def check(folder):
    """Check the table in a project's folder: ours beats no motion, wrong methods land where they must."""
    evaluation = folder / "results" / "evaluation"
    table = tables.read_parquet(evaluation / "table.parquet").to_pylist()
    rows = {(row["method"], row["passes"]): row for row in table if row["protocol"] == "cross-identity"}
    ours, source = rows["d2animator", 1], rows["control-source", -1]
    target, noise = rows["control-target", -1], rows["control-noise", -1]
    assert 0 < ours["nme_inter_ocular"] < source["nme_inter_ocular"]
    assert ours["csim_strangers"] < ours["csim"] < source["csim"] == pytest.approx(1, abs=1e-3)
    assert target["nme_inter_ocular"] < 0.002 and target["yaw_error"] < 0.1
    assert target["csim"] == pytest.approx(source["csim_strangers"], abs=0.01)
    assert noise["found"] == 0 and np.isnan(noise["nme_inter_ocular"])
    assert {row["protocol"] for row in table} == {"cross-identity", "self-driving", "sequence-driving"}
    assert all(row["note"] for row in table)  # no Inception weights, or too few pictures
    pairs = tables.read_parquet(evaluation / "pairs.parquet").to_pylist()
    assert all((folder / pair[name]).is_file() for pair in pairs for name in ("source_image", "target_image"))
