import numpy as np
import pytest

from d2a_core.media import charts, sheets

RED, GREEN, BLUE = (200, 30, 30), (20, 160, 40), (30, 40, 220)


def plain(colour, height=20, width=20):
    return np.full((height, width, 3), colour, dtype=np.uint8)


def ink(sheet):
    """Mask of the grey text on a sheet of coloured tiles."""
    spread = np.ptp(sheet.astype(int), axis=2)
    return (spread < 12) & (sheet.max(axis=2) < 128)


def boxes(sheet, colour):
    """Bounding box (top, bottom, left, right) of a colour."""
    y, x = np.nonzero((sheet == colour).all(axis=2))
    return y.min(), y.max() + 1, x.min(), x.max() + 1


def test_grid_without_captions_is_tiles_and_margins():
    sheet = sheets.grid([[plain(RED), plain(GREEN)], [plain(BLUE)]], tile=40, margin=4)
    assert sheet.shape == (4 + 2 * 44, 4 + 2 * 44, 3) and sheet.dtype == np.uint8
    assert boxes(sheet, RED) == (4, 44, 4, 44)
    assert boxes(sheet, GREEN) == (4, 44, 48, 88)
    assert boxes(sheet, BLUE) == (48, 88, 4, 44)
    assert (sheet[48:, 48:] == 255).all() and (sheet[:4] == 255).all()


def test_grid_keeps_the_shape_of_an_image_and_centres_it():
    sheet = sheets.grid([[plain(RED, 10, 40)]], tile=40, margin=4)
    assert boxes(sheet, RED) == (19, 29, 4, 44)


@pytest.mark.parametrize("tile", [64, 160])
def test_grid_cuts_no_text_and_lays_none_over_a_picture(tile):
    long = "word " * 12 + "a_name_without_any_space_" * 4
    sheet = sheets.grid(
        [[plain(RED), plain(GREEN)], [plain(BLUE), plain(BLUE)]],
        captions_left=[long + long, "one\ntwo\nthree"],
        captions_top=[long, "Δw → −1"],
        tile=tile,
        title=long,
    )
    text = ink(sheet)
    edges = np.concatenate([text[:4].ravel(), text[-4:].ravel(), text[:, :4].ravel()])
    assert not edges.any() and not text[:, -4:].any()
    for colour in (RED, GREEN):
        top, bottom, left, right = boxes(sheet, colour)
        assert (bottom - top, right - left) == (tile, tile)
        assert (sheet[top:bottom, left:right] == colour).all()
        above, aside = text[:top, left:right], text[top:bottom, :left]
        assert above.sum() > 50 and aside.sum() > 50
        assert not text[top - 3 : bottom, left - 3 : left].any()
    assert text.sum() == sum(part.sum() for part in (text[:top], text[top:, : boxes(sheet, BLUE)[2]]))


def test_grid_writes_a_caption_beside_its_own_row():
    rows = [[plain(RED)], [plain(GREEN)], [plain(BLUE)]]
    sheet = sheets.grid(rows, captions_left=["", "middle", ""], tile=60)
    y, _ = np.nonzero(ink(sheet))
    top, bottom, *_ = boxes(sheet, GREEN)
    assert top < y.min() and y.max() < bottom
    assert (y.min() + y.max()) / 2 == pytest.approx((top + bottom) / 2, abs=4)


def test_grid_makes_room_for_a_caption_higher_than_a_tile():
    rows = [[plain(RED)], [plain(GREEN)]]
    sheet = sheets.grid(rows, captions_left=["\n".join("abcdefgh"), "b"], tile=32, margin=4)
    y, x = np.nonzero(ink(sheet))
    first, second = boxes(sheet, RED), boxes(sheet, GREEN)
    assert second[0] - first[1] > 32 and (sheet[: first[0]] == 255).all(axis=2).mean() > 0.5
    gaps = np.diff(np.unique(y[y < second[0] - 4]))
    assert (gaps > 1).sum() >= 7  # eight lines, none on another


def test_every_letter_of_the_captions_has_a_shape_of_its_own():
    font = sheets._font(20)
    missing = bytes(font.getmask("\U0010ffff"))
    assert all(bytes(font.getmask(letter)) != missing for letter in "Δσψ→−×°éßÅčж")


def test_wrap_breaks_between_words_and_keeps_every_letter():
    font = sheets._font(14)
    width = font.getlength("seven letters")
    lines = sheets._wrap("seven letters each time\n\nand " + "x" * 60, font, width)
    assert lines[:3] == ["seven letters", "each time", ""]
    assert all(font.getlength(line) <= width for line in lines)
    assert "".join(lines).count("x") == 60


def test_an_empty_sheet_is_refused():
    for rows in ([], [[]]):
        with pytest.raises(ValueError, match="no picture to put on the sheet"):
            sheets.grid(rows)


def test_side_by_side_keeps_shapes_and_is_even():
    images = [plain(RED, 30, 30), plain(GREEN, 90, 45), plain(BLUE, 7, 9)]
    row = sheets.side_by_side(images, height=61)
    assert row.shape == (60, 60 + 30 + 78, 3)  # 9/7 · 60 = 77.1 → 78, the nearest even number
    assert boxes(row, RED) == (0, 60, 0, 60)
    assert boxes(row, GREEN) == (0, 60, 60, 90)
    assert boxes(row, BLUE) == (0, 60, 90, 168)


@pytest.mark.parametrize("height", [64, 250, 512])
def test_side_by_side_captions_stand_below_their_panel(height):
    images = [plain(RED), plain(GREEN), plain(BLUE)]
    captions = ["source", "", "a result with a very long name"]
    row = sheets.side_by_side(images, height=height, captions=captions)
    assert row.shape[0] > height and row.shape[0] % 2 == row.shape[1] % 2 == 0
    text = ink(row)
    assert not text[:height].any() and not text[-1].any()
    assert text[:, :height].any() and text[:, 2 * height :].any()
    assert not text[:, height : 2 * height].any()


def test_the_same_picture_is_drawn_twice():
    def draw():
        chart = {"a": ([1, 2], [0.5, 1.0])}
        sheet = sheets.grid([[plain(RED)]], captions_left=["x"], title="y")
        return sheet, charts.line_chart(chart, title="t", x_label="x", y_label="y")

    for one, other in zip(draw(), draw(), strict=True):
        np.testing.assert_array_equal(one, other)
