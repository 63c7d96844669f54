import base64
import io as streams
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow
import pytest
from PIL import Image

from d2a_core.evaluation.figures import SCORES, VIDEOS, Figure
from d2a_core.evaluation.report import charts, page, paper, rows
from d2a_core.evaluation.report.examples import examples
from d2a_core.evaluation.report.rows import number

FACTS = {
    "generator": "ffhq",
    "generator_sha256": "ab" * 32,
    "options": {"pairs": 40, "seed": 1000003},
    "version": "0.1.0",
}
FIGURES = [figure.key for figure in SCORES if figure.key != "step_error"]
NOTE = "no Inception weights were given"
NAN = float("nan")
VOID = {"meta", "img", "br", "link", "input", "hr"}
MOST_BYTES = 15_000_000


class Reader(HTMLParser):
    """Keeps what is open, and all elements with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)

    def headings(self):
        return [attributes["id"] for tag, attributes in self.elements if tag == "section"]


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
    return row | {"identity": "dlib ResNet", "detector": "mediapipe"} | changes


def ablation(method, faces, renders, nme):
    """A made-up row of Table 2."""
    change = {f"{name}_difference{end}": 0.002 for name in ("nme", "csim") for end in ("", "_low", "_high")}
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


def read(path):
    """A picture whose colour is that of its path."""
    return np.full((64, 64, 3), sum(path.encode()) % 256, np.uint8)


@pytest.fixture(scope="module")
def tables():
    video = dict.fromkeys([figure.key for figure in VIDEOS], 0.5)
    return page.Tables(
        summary=table(
            [
                summary("control-source", -1),
                summary("d2animator", 0),
                summary("d2animator", 1, missing=1, found=37),
                summary("<b>", -1),
            ]
        ),
        scores=scores(),
        pairs=pair_table(),
        ablations=table(
            [
                ablation("d2animator", 4000, 16000, 0.05),
                ablation("faces-1000", 1000, 16000, 0.07),
                ablation("pairs-4000", 4000, 4000, 0.06),
                ablation("ganspace", 4000, 16000, 0.06),
            ]
        ),
        videos=table([{"source": "anna", "clip": "talk", "kind": "animation", **video}]),
    )


@pytest.fixture(scope="module")
def whole(tables):
    pictures = page.Pictures(read, ["gallery.png"], ["results/animations/anna--talk.sheet.png"])
    return page.page(FACTS, tables, pictures)


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


def test_the_page_is_well_formed_and_every_picture_has_a_text(whole):
    html = Reader(whole)
    assert html.open == [] and whole.startswith("<!DOCTYPE html>")
    pictures = [attributes for tag, attributes in html.elements if tag == "img"]
    assert len(pictures) == 2 * 3 * 2 * 3 + 2
    assert all(picture["alt"].strip() for picture in pictures)
    charts = [attributes for tag, attributes in html.elements if tag == "svg"]
    assert len(charts) == 3 and all(chart["aria-label"] and chart["role"] == "img" for chart in charts)
    identifiers = [attributes["id"] for _, attributes in html.elements if attributes.get("id")]
    assert len(identifiers) == len(set(identifiers))


def test_the_page_needs_nothing_from_elsewhere(whole):
    links = re.findall(r'(?:src|href)="([^"]*)"', whole)
    assert links and all(link.startswith(("data:image/", "#")) for link in links)
    assert "<script" not in whole and "@import" not in whole and "url(http" not in whole


def test_sections_stand_in_order_and_in_the_contents(whole):
    html = Reader(whole)
    assert html.headings() == list(page.TITLES)
    links = [attributes["href"] for tag, attributes in html.elements if tag == "a"]
    assert links == [f"#{name}" for name in page.TITLES]


def test_the_papers_rows_stand_there_as_printed(whole):
    for method, values in {**paper.TABLE_1, **paper.TABLE_2}.items():
        assert f'<th scope="row">{method}</th>' in whole
        assert "".join(f"<td>{value}</td>" for value in values) in whole
    assert [len(values) for values in paper.TABLE_1.values()] == [16] * 5
    assert whole.count(paper.MARK) == 2 and "cannot be an Inception Score" in whole


def test_empty_columns_of_realism_stay_and_say_why(whole):
    text = " ".join(Reader(whole).text)
    assert f"Realism: {NOTE}" in text and "FID ↓" in text


def test_a_note_of_some_rows_names_them():
    noted = [summary("a", note="few images"), summary("b", note="")]
    assert rows.notes(noted) == ("Realism of a: few images",)


def test_losses_of_pairs_are_told(whole):
    assert "<small>1 missing</small><small>2 without a face</small>" in whole


def test_ablations_are_in_the_second_table_alone(whole):
    first, second = whole.split('<section id="ablations">')
    assert "ganspace" not in first and '<th scope="row">ganspace' in second
    assert "<strong>+0.20</strong>" in second


def test_names_are_escaped(whole):
    assert "<b>" not in whole and '<th scope="row">&lt;b&gt;</th>' in whole
    facts = FACTS | {"generator": "</code><script>"}
    html = page.page(facts, _small(), page.Pictures(read, [], ['"><i>--x.sheet.png']))
    assert "<script>" not in html and "<i>" not in html and Reader(html).open == []


def test_what_was_run_starts_with_generator_version_and_seed(whole):
    facts = rows.run_facts(FACTS, [summary()])
    assert [name for name, _ in facts] == [
        *("generator", "generator_sha256", "version", "detector", "identity", "options.seed", "options.pairs")
    ]
    assert "ab" * 32 in whole and "1000003" in whole and "dlib ResNet" in whole


def _small():
    return page.Tables(
        table([summary()]),
        scores(passes=(0,), pairs=3).slice(0, 0),
        pair_table(),
        ablations=None,
        videos=None,
    )


def test_sections_without_data_are_left_out():
    html = page.page(FACTS, _small(), page.Pictures(read))
    assert Reader(html).headings() == ["run", "reading", "scores", "parts", "definitions"]
    assert Reader(html).open == []


def test_scores_of_other_methods_alone_make_a_page():
    tables = page.Tables(table([summary("fomm", -1)]), scores("fomm", (-1,)), pair_table())
    assert Reader(page.page({}, tables, page.Pictures(read))).headings() == list(page.ALWAYS)


def test_many_sheets_are_cut_short_and_the_page_says_so():
    names = [f"a--{number}.sheet.png" for number in range(page.MOST_SHEETS + 3)]
    html = page.page({}, _small(), page.Pictures(read, [], names))
    assert html.count("data:image/jpeg") == page.MOST_SHEETS and "3 more are in" in html


def test_a_page_of_noise_stays_below_its_bound():
    def bound(count, most_bytes):
        return count * (4 * most_bytes / 3 + 200)

    examples_ = bound(len(page.EXAMPLE_TITLES) * 3 * page.EXAMPLES_EACH * 3, page.EXAMPLE_BYTES)
    sheets = bound(page.MOST_SHEETS, page.SHEET_BYTES)
    assert examples_ + sheets + bound(1, page.GALLERY_BYTES) < MOST_BYTES


def test_a_picture_keeps_its_shape_and_its_bound():
    noise = np.random.default_rng(0).integers(0, 256, (150, 300, 3), dtype=np.uint8)
    uri = charts.data_uri(noise, side=200, most_bytes=3000)
    kind, _, text = uri.partition(",")
    data = base64.b64decode(text)
    assert kind == "data:image/jpeg;base64" and len(data) <= 3000
    assert Image.open(streams.BytesIO(data)).size in [(200, 100), (100, 50)]
    with pytest.raises(ValueError, match="allow more"):
        charts.data_uri(noise, side=200, most_bytes=10)


def test_bins_of_yaw_have_the_means_of_their_pairs():
    yaw = np.array([1.0, 2, 3, 4, 5, -11, -12, -13, -14, -15, 40])
    error = np.array([1.0, 2, 3, 4, 5, 6, 6, 6, 6, 6, 100])
    centres, mean, half = charts.binned(yaw, error)
    np.testing.assert_allclose(centres, [-15, 5])  # the single pair at 40° is no mean
    np.testing.assert_allclose(mean, [6, 3])
    np.testing.assert_allclose(half, [0, 1.96 * np.sqrt(2.5 / 5)])


def test_a_chart_follows_the_colour_of_the_page_and_is_drawn_twice_alike():
    x = np.arange(2.0)
    bars = [charts.Series("open loop", x, x + 2, x + 1, x + 3)]
    first, second = (charts.bar_chart(["eyes", "nose"], bars, title="a < b") for _ in range(2))
    assert first == second and 'aria-label="a &lt; b"' in first
    assert "currentColor" in first and charts.INK not in first
    assert "<!DOCTYPE" not in first and ">eyes<" in first
    texts = re.findall(r"<text [^>]*>", first)
    assert len(texts) > 5 and all("fill: currentColor" in text for text in texts)


def test_curves_of_scaling_need_two_numbers(tables):
    rows = tables.ablations.to_pylist()
    assert len(page.scaling(rows)) == 1
    assert page.scaling([row for row in rows if row["method"] in ("d2animator", "ganspace")]) == []
    faces = page._curves([row for row in rows if page._on_curve(row["method"], "faces")], "faces")
    np.testing.assert_allclose(faces[0].x, [1000, 4000])
    np.testing.assert_allclose(faces[0].y, [7, 5])
    np.testing.assert_allclose(faces[0].low, [6, 4])
