"""Cuts between two people: each moves the source from a rest of their own, in all their shots."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import yaml

from d2a_core.animation import animations, combining, footage_goals, rests
from d2a_core.faces.geometry import rotation_matrix
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.store import tables

CONFIG = yaml.safe_load((Path(__file__).parents[3] / "config.yaml").read_text())["animations"]
OPTIONS = animations.Options(
    **{key: value for key, value in CONFIG.items() if key not in ("paste_back", "comparison")}
)
HER = template_of(WFLW98)
HIM = HER * [1.08, 0.95, 1.0]
SOURCE = HER * [0.97, 1.02, 1.0]
HER_REST, HER_SPEECH, HIS_SPEECH, HIS_REST, AGAIN = (
    slice(0, 12), slice(12, 20), slice(20, 28), slice(28, 40), slice(40, 50),
)  # fmt: skip
PERSON = np.repeat([0, 1, 0], [20, 20, 10])


def opened(face, gap):
    face = face.copy()
    face[[*range(83, 88), *range(93, 96)], 1] += gap
    return face


def table(shapes, yaws=None, **columns):
    yaws = np.zeros(len(shapes)) if yaws is None else yaws
    points = [
        0.25 * (shape @ rotation_matrix(yaw, 0, 0).T)[:, :2] + [0.5, 0.4]
        for shape, yaw in zip(shapes, yaws, strict=True)
    ]
    count = len(points)
    flags = {name: np.full(count, name == "found") for name in ("found", "interpolated", "held")}
    return pyarrow.table(
        {
            "time_s": np.arange(count) / 25,
            "points": tables.points_column(np.stack(points).astype(np.float32)),
            "score": np.ones(count, np.float32),
            "yaw": np.array(yaws, np.float32),
            "pitch": np.zeros(count, np.float32),
            "roll": np.zeros(count, np.float32),
            **flags,
            **columns,
        }
    )


def clip(**columns):
    """She is at rest and speaks; a cut to him, who speaks and comes to rest; back to her, speaking."""
    shapes = [HER] * 12 + [opened(HER, 0.1)] * 8
    shapes += [opened(HIM, 0.15)] * 8 + [HIM] * 12 + [opened(HER, 0.1)] * 10
    return table(shapes, shot=np.repeat([0, 1, 2], [20, 20, 10]), **columns)


def lips(points):
    """How far the lips are apart, in eye distances."""
    return (points[:, 94, 1] - points[:, 90, 1]) / 0.25


def test_everybody_at_rest_leaves_the_source_at_rest():
    asked = animations.asked(table([SOURCE]), clip(person=PERSON), OPTIONS)
    still = tables.points_array(table([SOURCE]))[0]
    for rest in (HER_REST, HIS_REST):
        assert np.abs(asked[rest] - still).max() < 1e-3
    together = animations.asked(table([SOURCE]), clip(), OPTIONS)
    assert np.abs(together[HIS_REST] - still).max() > 0.01  # his face for a move of hers


def test_a_shot_in_which_a_person_never_rests_starts_from_the_rest_of_another_shot():
    asked = animations.asked(table([SOURCE]), clip(person=PERSON), OPTIONS)
    np.testing.assert_allclose(asked[AGAIN], np.repeat(asked[HER_SPEECH][:1], 10, axis=0), atol=1e-5)
    closed, speech = lips(asked[HER_REST])[0], lips(asked[HER_SPEECH])[0]
    assert speech - closed == pytest.approx(0.1, rel=0.1)
    assert lips(asked[HIS_SPEECH])[0] - lips(asked[HIS_REST])[0] == pytest.approx(0.15, rel=0.15)


def test_a_table_that_does_not_number_people_is_of_one_person():
    numbered = animations.asked(table([SOURCE]), clip(person=np.zeros(50, np.int32)), OPTIONS)
    np.testing.assert_array_equal(animations.asked(table([SOURCE]), clip(), OPTIONS), numbered)


def test_a_named_moment_is_the_rest_of_whoever_it_shows():
    options = replace(OPTIONS, neutral_s=15 / 25, rest_lips="source")  # she speaks then
    asked = animations.asked(table([SOURCE]), clip(person=PERSON), options)
    still = tables.points_array(table([SOURCE]))[0]
    for rest in (HER_SPEECH, HIS_REST, AGAIN):
        assert np.abs(asked[rest] - still).max() < 1e-3


def test_the_turn_of_one_head_says_nothing_of_the_depth_of_another():
    flat, deep = HER * [1, 1, 0.8], HER * [1, 1, 1.15]
    yaws = np.linspace(-25, 25, 40)
    both = table([flat] * 40 + [deep] * 40, [*yaws, *yaws], person=np.repeat([0, 1], 40))
    heads = rests.heads_of(both)
    for rows in (slice(0, 40), slice(40, 80)):
        alone = rests.heads_of(both[rows])
        np.testing.assert_array_equal(heads.shape[rows], alone.shape)
        np.testing.assert_array_equal(heads.rotation[rows], alone.rotation)


def test_footage_driven_by_two_people_rests_where_they_rest():
    footage = table([SOURCE] * 50)
    asked = footage_goals.asked(footage, clip(person=PERSON), OPTIONS, ["pose", "expression"])
    still = tables.points_array(footage)[0]
    for rest in (HER_REST, HIS_REST):
        assert np.abs(asked[rest] - still).max() < 1e-3
    assert lips(asked[HIS_SPEECH])[0] - lips(asked[HIS_REST])[0] == pytest.approx(0.15, rel=0.15)


def test_a_combination_takes_of_each_person_what_has_changed_since_their_rest():
    driver = combining.driver_of(clip(person=PERSON), {"rate": "25"})
    track, _ = combining.combine({"pose": driver, "expression": driver})
    np.testing.assert_allclose(track.points[HIS_REST], np.repeat(track.points[:1], 12, axis=0), atol=1e-3)
    assert Fraction(25) == driver.rate and lips(track.points)[22] > lips(track.points)[30] + 0.1
