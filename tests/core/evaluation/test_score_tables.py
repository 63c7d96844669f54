import math

from d2a_core.evaluation import score_tables
from d2a_core.evaluation.figures import REALISM_COLUMNS, SCORES


def _row(**values):
    ends = ("", "_median", "_low", "_high")
    blank = {f"{figure.key}{end}": math.nan for figure in SCORES for end in ends}
    blank |= dict.fromkeys(REALISM_COLUMNS, math.nan)
    known = {"method": "d2animator", "passes": 1, "protocol": "cross-identity", "dataset": "held-out"}
    counts = {"pairs": 40, "missing": 0, "found": 39, "note": "No FID."}
    levels = {"csim_same": 0.99, "csim_strangers": 0.85}
    return blank | known | counts | levels | values


def test_a_row_says_mean_and_interval_in_the_digits_it_deserves():
    row = _row(
        nme_inter_ocular=0.0451, nme_inter_ocular_low=0.04, nme_inter_ocular_high=0.0512,
        nme_dlib=0.052, nme_dlib_low=0.048, nme_dlib_high=0.056,
        csim=0.91849, csim_low=0.9, csim_high=0.93, yaw_error=3.94, yaw_error_low=3, yaw_error_high=5,
    )  # fmt: skip
    text = score_tables.markdown(
        [row], {"identity": "dlib", "detector": "facemesh", "second_detector": "dlib 68"}
    )
    cells = "4.51 [4.00, 5.12] | 5.20 [4.80, 5.60] | – | 0.918 [0.900, 0.930] |"
    assert f"| d2animator | 1 | held-out | 40 | 1 | {cells}" in text
    assert "| 3.9 [3.0, 5.0] |" in text
    assert "mirror image: 0.990; of a source and the target: 0.850" in text
    assert "No FID." in text and "Identity: dlib" in text and "NME dlib: dlib 68, which no stage" in text


def test_a_method_without_a_face_has_dashes_and_its_missing_pictures_are_counted():
    row = _row(method="fomm", passes=-1, found=0, missing=12, csim_same=math.nan)
    text = score_tables.markdown([row], {})
    assert "| fomm | – | held-out | 40 (12 missing) | 40 | – | – | – |" in text
    assert "No face was found on any result." in text


def test_an_ablation_shows_its_paired_difference_with_a_sign():
    shorts, ends = ("nme", "csim", "nme_dlib"), ("", "_low", "_high")
    names = [f"{short}_difference{end}" for short in shorts for end in ends]
    trained = {"faces": 2400, "pair_renders": 1600}
    main = _row(**dict.fromkeys(names, 0.0), **trained)
    changes = (0.01, 0.005, 0.015, -0.02, -0.03, -0.01, 0.02, 0.015, 0.025)
    values = dict(zip(names, changes, strict=True))
    text = score_tables.ablations_markdown([main, _row(method="sefa", **values, **trained)], {})
    assert "+1.00 [+0.50, +1.50]" in text and "-0.020 [-0.030, -0.010]" in text
    assert "+2.00 [+1.50, +2.50]" in text
    assert "| d2animator | 2400 | 1600 | 40 | 1 | – | – | – | – | – | – |" in text
