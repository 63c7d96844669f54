import numpy as np

from d2a_core.directions import gallery


def test_gallery_shows_each_attribute_before_repeating_one():
    effect = np.array([[9.0, 0.0], [8.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
    assert gallery.choose(effect, np.ones(2), rows=3) == [0, 3, 1]
    assert gallery.choose(effect, np.array([1.0, 0.0]), rows=2) == [0, 1]  # an unknown attribute


def test_caption_names_origin_and_strongest_effects():
    row = dict.fromkeys(gallery.ATTRIBUTES, 0.0) | {
        "direction": 4,
        "part": "mouth",
        "k": 8,
        "kind": "component 1",
        "smile": 0.2,
        "yaw": -5.0,
    }
    deviation = np.ones(len(gallery.ATTRIBUTES))
    deviation[gallery.ATTRIBUTES.index("smile")] = 0.1
    deviation[gallery.ATTRIBUTES.index("yaw")] = 10
    lines = gallery.caption(row, deviation).split("\n")
    assert lines == ["#4 mouth k=8 component 1", "smile +2.0 s.d.", "yaw -0.5 s.d."]
    uncounted = gallery.caption(row | {"part": "ganspace", "k": None}, deviation)
    assert uncounted.split("\n")[0] == "#4 ganspace component 1"
