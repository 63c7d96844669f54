import re
from html.parser import HTMLParser

import numpy as np
import pytest
from made_scores import NOTE, ablation, pair_table, scores, summary, table

from d2a_core.evaluation.figures import VIDEOS
from d2a_core.evaluation.report import page, paper, rows

FACTS = {
    "generator": "ffhq",
    "generator_sha256": "ab" * 32,
    "options": {"pairs": 40, "seed": 1000003},
    "version": "0.1.0",
}
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
        *("generator", "generator_sha256", "version", "detector", "second_detector", "identity"),
        *("options.seed", "options.pairs"),
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


def test_curves_of_scaling_need_two_numbers(tables):
    rows = tables.ablations.to_pylist()
    assert len(page.scaling(rows)) == 1
    assert page.scaling([row for row in rows if row["method"] in ("d2animator", "ganspace")]) == []
    faces = page._curves([row for row in rows if page._on_curve(row["method"], "faces")], "faces")
    np.testing.assert_allclose(faces[0].x, [1000, 4000])
    np.testing.assert_allclose(faces[0].y, [7, 5])
    np.testing.assert_allclose(faces[0].low, [6, 4])
