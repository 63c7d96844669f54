import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from d2a_core.commands import matrix
from d2a_core.commands.cli import main
from d2a_core.commands.requests import Request, kinds
from d2a_core.commands.runs import Outcome

NONE = dict.fromkeys(kinds(Request)) | {"work": Path("work"), "all_faces": False, "dry_run": False}


def pairs(sources, clips, **given):
    wanted = matrix.requests_of(sources, [Path(clip) for clip in clips], NONE | given)
    return [(request.source, str(request.driving), str(request.output)) for request in wanted]


def parsed(*words):
    """What the words of a command line say."""
    given = {}

    @click.command(cls=matrix.Command)
    @click.argument("photos", nargs=-1)
    @click.option("--source", multiple=True)
    @click.option("--driving", multiple=True)
    @click.option("--scale", type=float)
    @click.option("--loop", is_flag=True)
    def command(**values):
        given.update({name: value for name, value in values.items() if value})

    assert CliRunner().invoke(command, words).exit_code == 0
    return given


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("a b --driving x y", {"photos": ("a", "b"), "driving": ("x", "y")}),
        ("a --driving x --driving y", {"photos": ("a",), "driving": ("x", "y")}),
        ("--driving x y --loop a", {"photos": ("a",), "driving": ("x", "y"), "loop": True}),
        ("--driving x y -- a -b", {"photos": ("a", "-b"), "driving": ("x", "y")}),
        ("--driving=x y --source a b", {"source": ("a", "b"), "driving": ("x", "y")}),
        ("a --source b --driving x", {"photos": ("a",), "source": ("b",), "driving": ("x",)}),
        ("--scale -1 a --driving x", {"photos": ("a",), "scale": -1.0, "driving": ("x",)}),
    ],
)
def test_driving_and_source_take_all_words_up_to_the_next_option(line, meaning):
    assert parsed(*line.split()) == meaning


def test_every_photo_meets_every_clip_under_a_name_of_both(tmp_path):
    assert pairs(["a.jpg", "seed:3"], ["x.mp4", "y.mov"]) == [
        ("a.jpg", "x.mp4", "a--x.mp4"),
        ("a.jpg", "y.mov", "a--y.mp4"),
        ("seed:3", "x.mp4", "seed-3--x.mp4"),
        ("seed:3", "y.mov", "seed-3--y.mp4"),
    ]
    placed = pairs(["a.jpg", "b.jpg"], ["x.mp4"], output=tmp_path)
    assert [output for *_, output in placed] == [f"{tmp_path}/a--x.mp4", f"{tmp_path}/b--x.mp4"]


def test_one_pair_is_called_what_the_user_says():
    assert pairs(["a.jpg"], ["x.mp4"], output=Path("o.mp4")) == [("a.jpg", "x.mp4", "o.mp4")]
    assert pairs(["a.jpg"], ["x.mp4"]) == [("a.jpg", "x.mp4", "a--x.mp4")]


def test_a_preview_has_a_name_of_its_own_beside_the_true_video():
    for photos in (["a.jpg"], ["a.jpg", "b.jpg"]):
        true, first = (
            {output for _, _, output in pairs(photos, ["x.mp4"], preview=wanted)} for wanted in (False, True)
        )
        assert "a--x--preview.mp4" in first and not first & true


def test_what_is_given_twice_is_made_once():
    assert pairs(["a.jpg", "./a.jpg"], ["x.mp4", "b/../x.mp4"]) == [("a.jpg", "x.mp4", "a--x.mp4")]
    assert [row[0] for row in pairs(["a.jpg", "b.jpg", "a.jpg"], ["x.mp4"])] == ["a.jpg", "b.jpg"]


def test_files_of_one_stem_get_videos_of_their_own():
    named = [output for *_, output in pairs(["u/me.jpg", "v/me.png", "v/Me.png"], ["x.mp4", "k/x.mp4"])]
    stems = ("me--x", "me--x-2", "me--x-3", "me--x-4", "Me--x-5", "Me--x-6")
    assert named == [f"{stem}.mp4" for stem in stems]
    taken = [output for *_, output in pairs(["a.jpg"], ["x-2.mp4", "x.mp4", "k/x.mp4"])]
    assert taken == ["a--x-2.mp4", "a--x.mp4", "a--x-3.mp4"]


def test_parts_of_a_face_follow_the_same_clip_in_every_job():
    made = pairs(["a.jpg"], ["x.mp4", "y.mp4"], lips_from=Path("song.mp4"))
    assert [output for *_, output in made] == ["a--x-and-song.mp4", "a--y-and-song.mp4"]
    (still, _) = matrix.requests_of(["a.jpg", "b.jpg"], [], NONE | {"pose_from": Path("x.mp4")})
    assert (still.driving, still.output) == (None, Path("a--x.mp4"))


def test_all_faces_are_a_word_and_one_face_is_a_number(tmp_path):
    (every,) = matrix.requests_of(["a.jpg"], [Path("x.mp4")], NONE | {"face": "all"})
    assert (every.all_faces, every.face, every.output) == (True, None, Path("a--x.mp4"))
    (second,) = matrix.requests_of(["a.jpg"], [Path("x.mp4")], NONE | {"face": 2})
    assert (second.all_faces, second.face) == (False, 2)
    wrong = CliRunner().invoke(main, ["animate", "a.jpg", "--driving", "x.mp4", "--face", "most"])
    assert wrong.exit_code == 2 and "'most' is not a valid integer" in wrong.stderr


def test_comparisons_and_frames_of_several_videos_lie_in_folders(tmp_path):
    folders = {"side_by_side": tmp_path / "both", "frames": tmp_path / "png"}
    one, two = matrix.requests_of(["a.jpg", "b.jpg"], [Path("x.mp4")], NONE | folders)
    assert one.side_by_side == tmp_path / "both" / "a--x--side-by-side.mp4"
    assert two.frames == tmp_path / "png" / "b--x"


@pytest.mark.parametrize("name", ["output", "side_by_side"])
def test_several_videos_need_a_folder(name, tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", Path("out.mp4")):
        words = rf"--{name.replace('_', '-')} {re.escape(str(path))} is no folder, but 2 videos"
        with pytest.raises(ValueError, match=words):
            pairs(["a.jpg", "b.jpg"], ["x.mp4"], **{name: path})


def test_a_row_says_where_a_video_is_or_why_there_is_none():
    wanted = matrix.requests_of(["a.jpg", "long.jpg"], [Path("x.mp4"), Path("yy.mp4")], NONE)
    ends = [
        Outcome({"video": Path("a--x.mp4")}),
        Outcome({}, "no face found on a.jpg"),
        Outcome({"video": Path("long--x.mp4")}, "the disk is full"),
        Outcome({"sheet": Path("s.png")}, "no face"),
    ]
    assert matrix.rows(wanted, ends) == [
        "a.jpg     x.mp4   a--x.mp4",
        "a.jpg     yy.mp4  failed: no face found on a.jpg",
        "long.jpg  x.mp4   long--x.mp4, but failed: the disk is full",
        "long.jpg  yy.mp4  failed: no face",
    ]


def test_nobody_to_animate_is_one_sentence():
    ended = CliRunner().invoke(main, ["animate", "--driving", "x.mp4"])
    assert ended.exit_code == 2
    assert ended.stderr == "Error: nobody to animate; give a photo, or --source seed:N\n"
