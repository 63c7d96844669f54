from dataclasses import replace

import made_scores
import numpy as np
import pyarrow
import pytest
from picture_world import FACES, OUTER, PAIRS, WORLD, judge, score

from d2a_core.evaluation import protocols, summary


def test_wrong_methods_land_where_they_must():
    rng = np.random.default_rng(0)
    methods = {
        "source": lambda pair: FACES[pair.source_image],
        "target": lambda pair: FACES[pair.target_image],
        "noise": lambda pair: rng.integers(1, 256, (32, 32, 3), dtype=np.uint8),
        "ours": lambda pair: WORLD.picture(1 + protocols.number_of(pair.source), 18 + 5 * pair.number),
    }
    tables = [score(find, method) for method, find in methods.items()]
    rows = {row["method"]: row for row in summary.summarise(tables, [])}
    strangers = rows["source"]["csim_strangers"]
    assert rows["source"]["csim"] == pytest.approx(1) and rows["source"]["csim_same"] == pytest.approx(1)
    assert rows["target"]["nme_inter_ocular"] == 0 and rows["target"]["yaw_error"] == 0
    assert rows["target"]["csim"] == pytest.approx(strangers)
    assert strangers < 0.9
    assert rows["noise"]["found"] == 0 and np.isnan(rows["noise"]["nme_inter_ocular"])
    assert 0 < rows["ours"]["nme_inter_ocular"] < 0.2 * rows["source"]["nme_inter_ocular"]
    assert rows["source"]["yaw_error"] == pytest.approx(27.5)


def test_missing_pictures_are_counted():
    table = score(lambda pair: None if pair.number == 1 else FACES[pair.source_image])
    (row,) = summary.summarise([table], [])
    assert (row["pairs"], row["missing"], row["found"]) == (4, 1, 3)
    assert row["csim"] == pytest.approx(1)


def test_intervals_resample_sources_and_hold_the_mean():
    values = np.array([1.0, 1.0, 1.0, 5.0])
    alone = summary.interval(values, np.array(["a", "b", "c", "d"]))
    together = summary.interval(values, np.array(["a", "a", "a", "d"]))
    assert alone[0] <= 2 <= alone[1]
    assert together == (1.0, 5.0)  # two sources: one of them twice, now and then
    assert alone[1] < 5
    normal = np.random.default_rng(0).normal(size=400)
    low, high = summary.interval(normal, np.arange(400).astype(str))
    half = 1.96 * normal.std() / 20
    assert (low, high) == pytest.approx((normal.mean() - half, normal.mean() + half), abs=0.015)


def test_a_comparison_is_paired():
    def late(delay):
        return score(
            lambda pair: WORLD.picture(1 + protocols.number_of(pair.source), 20 + 5 * pair.number - delay)
        )

    change = summary.compare(late(4), late(2))
    per_degree = 0.001 / (0.3 * OUTER)
    assert change["nme_difference"] == pytest.approx(2 * per_degree, rel=1e-3)
    assert change["nme_difference_low"] == pytest.approx(change["nme_difference_high"], abs=1e-6)
    assert change["csim_difference"] == pytest.approx(0, abs=1e-6)


def test_a_pair_without_a_figure_is_left_out_of_its_difference_alone():
    def with_dlib(*errors):
        table = made_scores.scores(passes=(0,), pairs=3)
        column = table.schema.get_field_index("nme_dlib")
        return table.set_column(column, "nme_dlib", pyarrow.array(np.float32(errors)))

    change = summary.compare(with_dlib(0.2, 0.3, np.nan), with_dlib(0.1, 0.2, 0.1))
    assert change["nme_dlib_difference"] == pytest.approx(0.1) and change["nme_difference"] == 0


def test_table_2_has_the_main_method_first_on_the_pairs_of_each_protocol():
    tuned = [replace(pair, protocol=protocols.FINETUNING) for pair in PAIRS]

    def scored(name, pairs):
        return judge().score(pairs, {name: lambda pair, passes: FACES[pair.source_image]}, passes=[0])

    mains = [scored("d2animator", PAIRS), scored("untuned", tuned)]
    others = [scored("sefa", PAIRS), scored("finetuned", tuned)]
    names = ["d2animator", "sefa", "untuned", "finetuned"]
    rows = summary.ablation_rows(mains, others, dict.fromkeys(names, {"faces": 5, "pair_renders": 7}))
    assert [row["method"] for row in rows] == names
    assert all(row["nme_difference"] == 0 and row["faces"] == 5 for row in rows)
