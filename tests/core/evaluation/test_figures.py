import math

import pytest

from d2a_core.evaluation import figures, score_tables
from d2a_core.evaluation.figures import Figure
from d2a_core.evaluation.report import rows

ROWS = {*figures.SCORES, *figures.REALISM, *figures.VIDEOS}


def test_a_key_has_one_row():
    assert len({figure.key for figure in ROWS}) == len(ROWS)
    assert len(set(figures.VIDEOS)) == len(figures.VIDEOS)


@pytest.mark.parametrize("table", [rows.SCORES, rows.DETAILS, score_tables.SCORES], ids=len)
def test_a_table_has_no_head_twice(table):
    heads = [rows.head(figure) for figure in table]
    assert len(heads) == len(set(heads))


def test_the_page_shows_every_figure_once():
    shown = [figure.key for figure in (*rows.SCORES, *rows.DETAILS) if figure not in rows.MEDIANS]
    assert sorted(shown) == sorted(figure.key for figure in (*figures.SCORES, *figures.REALISM))


def test_every_figure_of_a_pair_is_defined_by_itself_or_by_its_family():
    names = [name for name, meaning, source in figures.definitions() if meaning and source]
    assert names[:6] == [
        "NME inter-ocular",
        "NME dlib",
        "NME inter-pupil",
        "NME box",
        "NME of a part",
        "yaw, pitch, roll",
    ]
    for family in (figures.NME, figures.PARTS, figures.ANGLES, figures.FIDELITY, figures.REALISM):
        assert family[0].definition and all(row.definition or family[0].family for row in family)


def test_a_figure_of_pairs_and_of_videos_is_defined_once():
    names = [name for name, _, _ in figures.definitions()]
    assert figures.BY_KEY["psnr_outside"] in figures.VIDEOS and len(names) == len(set(names))


def test_a_head_has_its_unit_and_the_page_says_which_end_is_better():
    error = Figure("e", "error", "%", better=figures.LOW)
    assert (error.head, rows.head(error)) == ("error %", "error % ↓")
    assert (Figure("e", "error").head, rows.head(Figure("e", "error"))) == ("error", "error")


def test_what_is_no_number_is_no_figure():
    assert figures.known(0) and figures.known(1.5)
    assert not any(map(figures.known, (None, math.nan, "3")))
    assert math.isnan(figures.value({}, "csim")) and figures.value({"csim": 1}, "csim") == 1.0


def test_columns_of_realism_have_their_spread_behind_them():
    assert figures.REALISM_COLUMNS == ("fid", "kid", "kid_std", "is", "is_std", "is_gap")
