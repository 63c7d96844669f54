import base64
import io as streams
import re

import numpy as np
import pytest
from PIL import Image

from d2a_core.evaluation.report import charts


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
