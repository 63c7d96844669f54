from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d2a_core.commands.morph_requests import MorphRequest, check, default_output
from d2a_core.media import images
from d2a_core.store import tables

ROOT = Path(__file__).parents[3]


@pytest.fixture
def request_(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        images.write_image(np.zeros((64, 64, 3), np.uint8), tmp_path / name)
    points = tables.points_column(np.zeros((2, 98, 2), np.float32))
    tables.write_parquet({"time_s": [0.0, 0.04], "points": points}, tmp_path / "pose.parquet", metadata={})
    tables.write_parquet({"a": [1]}, tmp_path / "other.parquet", metadata={})
    (tmp_path / "text.jpg").write_text("no picture")
    return MorphRequest("a.png", "b.png", Path("out.mp4"), tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"start": "seed:3", "end": "pose.parquet"},
        {"start": "pose.parquet", "source": "seed:3", "loop": True},
        {"source": "b.png", "method": "optimize", "tune": False, "frames": 2, "fps": 60.0},
    ],
)
def test_a_good_request_passes(request_, options):
    check(replace(request_, **options), ROOT)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "none.png"}, "A none.png does not exist; give a picture of a face, a landmark table"),
        ({"end": "."}, "B . is a folder"),
        ({"end": "text.jpg"}, "text.jpg .*; "),
        ({"end": "other.parquet"}, "other.parquet has no row with a time_s"),
        ({"end": "seed:x"}, "B is 'seed:x'; a seed is a whole number, such as seed:21"),
        ({"start": "pose.parquet"}, "A pose.parquet is a landmark table and shows nobody; give --source"),
        ({"source": "pose.parquet"}, "--source pose.parquet is a landmark table and shows nobody"),
        ({"source": "seed:1", "tune": True}, "--tune is for photos, but the source is seed:1"),
        ({"frames": 1}, "--frames is 1, but it must be from 2 to 10000"),
        ({"fps": 0.0}, "--fps is 0, but it must be from 1 to 240"),
        ({"fps": float("nan")}, "--fps is nan"),
        ({"cores": 0}, "--cores is 0"),
        ({"motion": "backwards"}, "--motion is 'backwards', but it must be one of relative, absolute"),
        ({"method": "magic"}, "--method is 'magic', but it must be one of optimize, encoder, hfgi"),
        ({"output": Path("out.gif")}, "--output out.gif must end in .mp4"),
        ({"output": Path("text.jpg/out.mp4")}, "cannot be written"),
        ({"work": Path("a.png")}, "--work a.png is no folder"),
    ],
)
def test_a_bad_request_is_one_sentence(request_, options, words):
    with pytest.raises(ValueError, match=words) as caught:
        check(replace(request_, **options), ROOT)
    assert "\n" not in str(caught.value)


def test_poses_of_one_person_are_taken_as_they_are_and_those_of_others_are_not(request_):
    motions = [
        replace(request_, **options).settings["animations"]["motion"]
        for options in ({}, {"source": "c.png"}, {"source": "c.png", "motion": "absolute"})
    ]
    assert motions == ["absolute", "relative", "absolute"]


def test_the_video_is_called_after_both_poses():
    assert default_output("photos/me.jpg", "seed:21") == Path("me--seed-21.mp4")
