from made_scores import NAN

from d2a_core.evaluation.figures import Figure
from d2a_core.evaluation.report import rows
from d2a_core.evaluation.report.rows import number


def test_numbers_have_the_digits_and_signs_of_their_unit():
    assert number(0.04321, Figure("nme", "NME", digits=2, scale=100)) == "4.32"
    assert number(-0.0012, Figure("d", "d", digits=2, scale=100, signed=True)) == "−0.12"
    assert number(16000, Figure("faces", "faces", digits=0)) == "16,000"
    assert number(NAN, Figure("fid", "FID")) == number(None, Figure("fid", "FID")) == "–"


def test_a_difference_is_clear_when_its_interval_leaves_out_zero():
    column = Figure("d", "d", digits=2, signed=True)
    assert rows.cell({"d": 1.0, "d_low": 0.5, "d_high": 1.5}, column).clear
    crossing = rows.cell({"d": 1.0, "d_low": -0.5, "d_high": 1.5}, column)
    assert not crossing.clear and crossing.interval == "−0.50 to +1.50"
