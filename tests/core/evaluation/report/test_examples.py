import numpy as np
import pyarrow
from made_scores import NAN, scores, table

from d2a_core.evaluation.report.examples import examples


def chosen(found):
    return {kind: [row["pair"] for row in rows] for kind, rows in found.items()}


def by(column, rows, **options):
    return chosen(examples(rows, column, method="d2animator", passes=1, protocol="cross-identity", **options))


def test_examples_are_the_least_middle_and_largest_errors():
    rows = scores(pairs=41)
    assert by("nme_inter_ocular", rows) == {"best": [0], "median": [20], "worst": [40]}
    assert by("nme_inter_ocular", rows, count=3) == {
        "best": [0, 1, 2],
        "median": [19, 20, 21],
        "worst": [40, 39, 38],
    }


def test_examples_by_likeness_call_the_largest_best():
    rows = scores(pairs=41)
    flipped = rows.set_column(rows.column_names.index("csim"), "csim", pyarrow.array(np.arange(82.0)))
    assert by("csim", flipped) == {"best": [40], "median": [20], "worst": [0]}


def test_examples_leave_out_what_has_no_face_no_picture_or_no_figure():
    rows = scores(pairs=5).to_pylist()
    last = rows[5:]  # after the last pass
    last[0]["found"], last[4]["missing"], last[3]["nme_inter_ocular"] = False, True, NAN
    assert by("nme_inter_ocular", table(rows)) == {"best": [1], "median": [], "worst": [2]}


def test_examples_leave_out_other_methods_passes_and_protocols():
    other = scores(method="fomm", passes=(1,), pairs=90)
    rows = [*scores(passes=(0,), pairs=90).to_pylist(), *other.to_pylist()]
    rows += [row | {"protocol": "self-driving"} for row in scores(passes=(1,), pairs=90).to_pylist()]
    rows += scores(passes=(1,), pairs=3).to_pylist()
    assert by("nme_inter_ocular", table(rows)) == {"best": [0], "median": [1], "worst": [2]}


def test_no_pair_is_an_example_twice():
    assert by("nme_inter_ocular", scores(pairs=1), count=2) == {"best": [0], "median": [], "worst": []}
    assert by("nme_inter_ocular", scores(pairs=3), count=2) == {"best": [0, 1], "median": [], "worst": [2]}
