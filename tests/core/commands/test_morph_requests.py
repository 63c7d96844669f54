from dataclasses import replace
from pathlib import Path

from d2a_core.commands.morph_requests import MorphRequest, default_output

REQUEST = MorphRequest(start="a.png", end="b.png", output=Path("out.mp4"), work=Path("work"))


def test_poses_of_one_person_are_taken_as_they_are_and_those_of_others_are_not():
    motions = [
        replace(REQUEST, **options).settings["animations"]["motion"]
        for options in ({}, {"source": "c.png"}, {"source": "c.png", "motion": "absolute"})
    ]
    assert motions == ["absolute", "relative", "absolute"]


def test_the_video_is_called_after_both_poses():
    assert default_output("photos/me.jpg", "seed:21") == Path("me--seed-21.mp4")
