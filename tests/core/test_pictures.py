import numpy as np
import pytest

from d2a_core import gallery, pictures


def _plain(value, height=40, width=40):
    return np.full((height, width, 3), value, np.uint8)


def test_shrinking_averages_over_area():
    checks = np.indices((8, 8)).sum(axis=0) % 2 * 200
    image = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    assert (pictures.resize(image[None], 4) == 100).all()


def test_resize_keeps_the_aspect_ratio():
    assert pictures.resize(_plain(5, 100, 50)[None], 20).shape == (1, 20, 10, 3)


def test_grid_places_every_tile_and_captions_widen_it():
    rows = [[_plain(10), _plain(80)], [_plain(150), _plain(220)]]
    bare = pictures.grid(rows, tile=40, gap=4)
    captioned = pictures.grid(
        rows, tile=40, gap=4, captions_left=["a\nb", "c"], captions_top=["x", "y"], title="t"
    )
    for value in (10, 80, 150, 220):
        for sheet in (bare, captioned):
            assert (sheet == value).all(axis=2).sum() >= 1600
    assert captioned.shape[0] > bare.shape[0] and captioned.shape[1] > bare.shape[1]
    left = captioned[:, : captioned.shape[1] - bare.shape[1]]
    assert (left < 100).any()  # ink of the captions


def test_side_by_side_has_one_height_and_an_even_width():
    row = pictures.side_by_side([_plain(1), _plain(2, 80, 45), _plain(3, 20, 20)], height=40)
    assert row.shape[0] == 40 and row.shape[1] % 2 == 0
    assert row[0, 0, 0] == 1 and row[0, 45, 0] == 2 and row[0, -1, 0] == 3


def test_line_chart_draws_a_line_for_each_series():
    x = np.arange(5)
    chart = pictures.line_chart({"a": (x, x), "b": (x, x[::-1])}, title="t", x_label="x", y_label="y")
    colours = {tuple(pixel) for pixel in chart.reshape(-1, 3)}
    assert {(31, 119, 180), (255, 127, 14)} <= colours  # matplotlib's first two colours


def test_gallery_shows_each_attribute_before_repeating_one():
    effect = np.array([[9.0, 0.0], [8.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
    assert gallery.choose(effect, np.ones(2), rows=3) == [0, 3, 1]
    assert gallery.choose(effect, np.array([1.0, 0.0]), rows=2) == [0, 1]  # an unknown attribute


def test_caption_names_origin_and_strongest_effects():
    row = {name: 0.0 for name in gallery.ATTRIBUTES} | {
        "direction": 4, "part": "mouth", "k": 8, "kind": "component 1", "smile": 0.2, "yaw": -5.0,
    }
    deviation = np.ones(len(gallery.ATTRIBUTES))
    deviation[gallery.ATTRIBUTES.index("smile")] = 0.1
    deviation[gallery.ATTRIBUTES.index("yaw")] = 10
    lines = gallery.caption(row, deviation).split("\n")
    assert lines == ["#4 mouth k=8 component 1", "smile +2.0 s.d.", "yaw -0.5 s.d."]


@pytest.mark.parametrize("count", [1, 5])
def test_grid_accepts_rows_of_any_length(count):
    assert pictures.grid([[_plain(9)] * count], tile=40).shape[1] >= 40 * count
