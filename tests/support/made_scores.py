"""Made-up tables of an evaluation."""

import numpy as np
import pyarrow

from d2a_core.evaluation.figures import COMPARED, SCORES

FIGURES = [figure.key for figure in SCORES if figure.key != "step_error"]
NOTE = "no Inception weights were given"
NAN = float("nan")


def scores(method="d2animator", passes=(0, 1), pairs=40):
    """Made-up rows: pair i has an NME of (i + 1) / 1000 and a CSIM of 1 − i / 100."""
    index = np.tile(np.arange(pairs), len(passes))
    count = len(index)
    return pyarrow.table(
        {
            "method": [method] * count,
            "passes": np.repeat(passes, pairs),
            "pair": index,
            "protocol": ["cross-identity"] * count,
            "dataset": ["held-out"] * count,
            "source": [f"s{i:05d}" for i in index],
            "target": [f"t{i:05d}" for i in index],
            "missing": np.zeros(count, bool),
            "found": np.ones(count, bool),
            **{name: np.full(count, 0.02, np.float32) for name in FIGURES},
            "nme_inter_ocular": (index + 1).astype(np.float32) / 1000,
            "csim": 1 - index.astype(np.float32) / 100,
            "source_yaw": np.zeros(count, np.float32),
            "target_yaw": np.linspace(-45, 45, count, dtype=np.float32),
        }
    )


def summary(method="d2animator", passes=0, **changes):
    """A made-up row of the summary: every mean 0.05, its interval 0.04 to 0.06, no realism."""
    row = {"method": method, "passes": passes, "protocol": "cross-identity", "dataset": "held-out"}
    row |= {"pairs": 40, "missing": 0, "found": 40}
    for name in FIGURES:
        row |= {name: 0.05, f"{name}_median": 0.05, f"{name}_low": 0.04, f"{name}_high": 0.06}
    row |= dict.fromkeys(("fid", "kid", "kid_std", "is", "is_gap"), NAN) | {"images": 0, "note": NOTE}
    return row | {"identity": "dlib ResNet", "detector": "mediapipe", "second_detector": "dlib"} | changes


def ablation(method, faces, renders, nme):
    """A made-up row of Table 2."""
    change = {f"{name}_difference{end}": 0.002 for name in COMPARED for end in ("", "_low", "_high")}
    figures = {
        "nme_inter_ocular": nme,
        "nme_inter_ocular_low": nme - 0.01,
        "nme_inter_ocular_high": nme + 0.01,
    }
    return summary(method) | figures | change | {"faces": faces, "pair_renders": renders}


def table(rows):
    return pyarrow.Table.from_pylist(rows)


def pair_table(count=40):
    index = range(count)
    return pyarrow.table(
        {
            "pair": list(index),
            "source_image": [f"faces/s{i:05d}.png" for i in index],
            "target_image": [f"faces/t{i:05d}.png" for i in index],
        }
    )
