import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from d2a_core.commands.checks import check, check_all, check_morph
from d2a_core.commands.morph_requests import MorphRequest
from d2a_core.commands.requests import DRIVERS, Request
from d2a_core.media import images, video_writing
from d2a_core.store import tables

ROOT = Path(__file__).parents[3]
STUB = """
latents: {samples: 2, shard_size: 2}
clusters: {counts: {all: [2]}}
pairs: {shards: 1}
sources: [{name: anna, seed: 21, truncation: 0.7}]
driving: {performances: [], clips: [], combinations: []}
landmarks: {detector: facemesh}
fan: {loss: image, epochs: 8, groups: [all, pose, expression]}
inversion: {method: optimize, tune: false}
animations: {motion: relative, poses: 10, refinements: 12, fan: all, neutral_s: null, motion_scale: 1.0}
morphs: []
evaluation: {protocols: {pairs: 2, finetuned: 0}, datasets: [], ablations: {}, external: {}}
"""
SCHEMA = """
properties:
  fan: {properties: {epochs: {minimum: 1}}}
  inversion: {properties: {method: {enum: [encoder, optimize]}}}
  animations:
    properties:
      motion: {enum: [relative, absolute]}
      motion_scale: {minimum: 0}
"""
PATHS = (*DRIVERS, "output", "work", "side_by_side", "frames", "configfile")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project folder as far as a check looks at it."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "schemas").mkdir()
    (folder / "Snakefile").touch()
    (folder / "config.yaml").write_text(STUB)
    (folder / "schemas" / "config.schema.yaml").write_text(SCHEMA)
    return folder


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A folder with a photo, a clip of 0.08 s, its table, and files that are none of these."""
    folder = tmp_path_factory.mktemp("media")
    picture = np.zeros((64, 64, 3), np.uint8)
    images.write_image(picture, folder / "me.png")
    with video_writing.VideoWriter(folder / "talk.mp4", rate=Fraction(25), metadata={}) as writer:
        writer.write(picture)
        writer.write(picture)
    points = tables.points_column(np.zeros((2, 98, 2), np.float32))
    tables.write_parquet({"time_s": [0.0, 0.04], "points": points}, folder / "talk.parquet", metadata={})
    tables.write_parquet({"a": [1]}, folder / "other.parquet", metadata={})
    Image.new("RGBA", (64, 64)).save(folder / "nothing.png")
    (folder / "text.txt").write_text("no picture")
    (folder / "list.yaml").write_text("- a\n")
    (folder / "broken.yaml").write_text("a: [1\n")
    (folder / "wrong.yaml").write_text("fan: {epochs: 0}\n")
    (folder / "fake.parquet").write_text("no table")
    (folder / "fake.mp4").write_text("no video")
    (folder / "folder.mp4").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "mine.png").touch()
    os.mkfifo(folder / "pipe")
    (folder / "nowhere.png").symlink_to("gone.png")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "link.png").symlink_to("me.png")
    images.write_image(picture, folder / "-me.png")
    images.write_image(picture, folder / "mein Föto (1).png")
    return folder


@pytest.fixture
def request_(media, monkeypatch):
    monkeypatch.chdir(media)
    return Request(source="me.png", driving=Path("talk.mp4"), output=Path("out.mp4"), work=media)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"source": "seed:21"},
        {"driving": Path("talk.parquet"), "neutral": 0.04},
        {"motion": "absolute", "neutral": 0.0, "cores": 1, "face": 2},
        {"output": Path("new/folder/out.MP4"), "frames": Path("new/frames"), "work": Path("new/work")},
        {"side_by_side": Path("both.mp4"), "driver_face": 2},
        {"driving": Path("me.png")},
        {"source": "-me.png", "output": Path("-out.mp4"), "work": Path("-work")},
        {"source": "link.png", "driving": Path("mein Föto (1).png"), "work": Path("wörk {x} %d")},
        {"driving": None, "pose_from": Path("me.png"), "expression_from": Path("talk.mp4")},
        {"driving": None, "pose_from": Path("talk.mp4"), "pose_scale": 0.5},
        {"source": "talk.mp4"},
        {"source": "talk.mp4", "driving": None, "lips_from": Path("talk.mp4"), "side_by_side": Path("b.mp4")},
        {"driving": None, "pose_from": Path("talk.mp4"), "motion": "absolute"},
        {"driving": None, "lips_from": Path("talk.mp4"), "expression_scale": 0.5},
        {"lips_from": Path("talk.mp4"), "eyes_from": Path("me.png"), "motion": "absolute"},
    ],
)
def test_a_good_request_passes(request_, root, options):
    check(replace(request_, **options), root)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source": "none.jpg"}, "--source none.jpg does not exist; give a photo, or seed:N"),
        ({"source": "nowhere.png"}, "--source nowhere.png is a link that leads nowhere; give a photo"),
        ({"source": "circle.png"}, "--source circle.png is a link that leads nowhere; give a photo"),
        ({"source": "full"}, "--source full is a folder"),
        ({"source": "pipe"}, "--source pipe is no regular file"),
        ({"source": "text.txt"}, "text.txt .*; "),
        ({"source": "folder.mp4"}, "--source folder.mp4 is a folder; give a photo"),
        ({"source": "none.mp4"}, "--source none.mp4 does not exist; give a photo"),
        ({"source": "fake.mp4"}, "fake.mp4 .*; "),
        ({"source": "talk.mp4", "face": 2}, "--face is for photos, but --source is a video; leave it out"),
        ({"source": "talk.mp4", "tune": True}, "--tune is for photos, but --source is a video"),
        ({"source": "talk.mp4", "method": "encoder"}, "--method is for photos, but --source is a video"),
        ({"source": "talk.mp4", "all_faces": True}, "--face all is for photos, but --source is a video"),
        ({"source": "talk.mp4", "preview": True}, "--preview is for photos, but --source is a video"),
        ({"source": "talk.mp4", "paste_back": True}, "--paste-back is for photos, but --source is a video"),
        ({"source": "talk.mp4", "fps": 50.0}, "--fps is for photos, but --source is a video"),
        ({"source": "talk.mp4", "loop": True}, "--loop is for photos, but --source is a video"),
        ({"source": "talk.mp4", "frames": "png"}, "--frames is for photos, but --source is a video"),
        ({"source": "talk.mp4", "motion_scale": -1.0}, "--motion-scale is -1.0, but it must be at least 0"),
        ({"source": "talk.mp4", "output": "talk.mp4"}, "would overwrite talk.mp4, which it is made of"),
        ({"source": "nothing.png"}, "nothing.png cannot be used as a photo .it is wholly transparent.; "),
        ({"source": "seed:"}, "--source is 'seed:'; a seed is a whole number, such as seed:21"),
        ({"source": "seed:-1"}, "a seed is a whole number"),
        ({"source": "seed:1", "face": 2}, "--face is for photos"),
        ({"source": "seed:1", "all_faces": True}, "--face all is for photos, but --source is a seed"),
        ({"all_faces": True, "frames": "new"}, "--frames shows one face, but --face is all"),
        ({"all_faces": True, "side_by_side": "both.mp4"}, "--side-by-side shows one face, but --face is all"),
        ({"source": "seed:1", "method": "hfgi"}, "--method is for photos"),
        ({"source": "seed:1", "tune": True}, "--tune is for photos"),
        ({"source": "seed:1", "paste_back": True}, "--paste-back is for photos"),
        (
            {"driving": "none.mp4"},
            "--driving none.mp4 does not exist; give a video, a picture, or a driving table",
        ),
        ({"driving": "full"}, "--driving full is a folder"),
        (
            {"driving": None},
            "nothing drives the source; give --driving, or --pose-from, .*, --lips-from or --eyes-from",
        ),
        ({"pose_from": "talk.mp4"}, "--driving moves head and face, and --pose-from a part"),
        ({"driving": None, "pose_from": "none.mp4"}, "--pose-from none.mp4 does not exist"),
        (
            {"driving": None, "pose_from": "talk.mp4", "expression_from": "talk.mp4", "neutral": 0.0},
            "--neutral is a time in one whole clip, but here parts of clips are put together; leave it out",
        ),
        ({"driving": None, "lips_from": "talk.mp4", "neutral": 0.0}, "--neutral is a time in one whole clip"),
        ({"lips_from": "none.mp4"}, "--lips-from none.mp4 does not exist; give a video, a picture"),
        ({"eyes_from": "full"}, "--eyes-from full is a folder"),
        (
            {"driving": None, "pose_from": "me.png", "eyes_from": "talk.mp4", "motion": "absolute"},
            "--motion absolute takes over a whole face; give --expression-from, or leave --motion out",
        ),
        (
            {"driving": None, "lips_from": "talk.mp4", "pose_scale": 1.0},
            "--pose-scale scales nothing without --pose-from; give both",
        ),
        (
            {"driving": None, "pose_from": "talk.mp4", "expression_scale": 1.0},
            "--expression-scale scales nothing without --expression-from, --lips-from or --eyes-from",
        ),
        (
            {"driving": None, "expression_from": "talk.mp4", "output": "talk.mp4"},
            "would overwrite talk.mp4, which it is made of",
        ),
        ({"driving": "list.yaml"}, "list.yaml .*; "),
        ({"driving": "other.parquet"}, "other.parquet has no row with a time_s"),
        ({"driving": "fake.parquet"}, "fake.parquet .*; "),
        ({"output": "out.avi"}, "--output out.avi must end in .mp4"),
        ({"output": "folder.mp4"}, "--output folder.mp4 is a folder"),
        (
            {"output": "x" * 237 + ".mp4"},
            "--output x+.mp4 has a name of more than 240 bytes; give a shorter one",
        ),
        ({"output": "talk.mp4"}, "--output talk.mp4 would overwrite talk.mp4, which it is made of"),
        ({"output": "full/../talk.mp4"}, "talk.mp4 would overwrite talk.mp4"),
        (
            {"output": "text.txt/out.mp4"},
            "--output text.txt/out.mp4 cannot be written, .*text.txt is no folder",
        ),
        ({"output": "/proc/out.mp4"}, "--output /proc/out.mp4 cannot be written, /proc is closed to you"),
        ({"side_by_side": "out.mp4"}, "--output and --side-by-side are both out.mp4"),
        ({"side_by_side": "both.mkv"}, "--side-by-side both.mkv must end in .mp4"),
        ({"frames": "full"}, "--frames full is there already; give a new or an empty folder"),
        ({"frames": "text.txt"}, "--frames text.txt is there already"),
        ({"work": "text.txt"}, "--work text.txt is no folder"),
        ({"work": "text.txt/x"}, "--work .* cannot be written"),
        ({"motion": "sideways"}, "--motion is 'sideways', but it must be one of relative, absolute"),
        ({"motion_scale": float("nan")}, "--motion-scale is nan; give a finite number"),
        ({"pose_scale": float("inf")}, "--pose-scale is inf; give a finite number"),
        ({"motion_scale": -1.0}, "--motion-scale is -1.0, but it must be at least 0"),
        ({"method": "magic"}, "--method is 'magic', but it must be one of encoder, optimize"),
        ({"face": -1}, "--face is -1, but it must be at least 0"),
        ({"driver_face": -1}, "--driver-face is -1, but it must be at least 0"),
        (
            {"driver_face": 2, "driving": "talk.parquet"},
            "--driver-face chooses among people on a clip, but talk.parquet is a landmark table; leave",
        ),
        ({"cores": 0}, "--cores is 0, but it must be at least 1"),
        ({"neutral": -0.5}, "--neutral is -0.5, but it must be at least 0"),
        ({"neutral": 3.0}, "--neutral is 3 s, but talk.mp4 lasts 0.08 s"),
        ({"neutral": 3.0, "driving": "talk.parquet"}, "--neutral is 3 s, but talk.parquet lasts 0.04 s"),
        ({"configfile": "none.yaml"}, "--configfile none.yaml does not exist"),
        ({"configfile": "list.yaml"}, "list.yaml holds no sections of a config"),
        ({"configfile": "broken.yaml"}, "broken.yaml is no YAML file"),
        ({"configfile": "wrong.yaml"}, "config: fan.epochs is 0, but it must be at least 1"),
    ],
)
def test_a_bad_request_is_one_sentence(request_, root, monkeypatch, options, words):
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith("/proc"))
    paths = {key: value and Path(value) for key, value in options.items() if key in PATHS}
    with pytest.raises(ValueError, match=words) as caught:
        check(replace(request_, **options | paths), root)
    assert "\n" not in str(caught.value)


def test_no_video_of_several_overwrites_what_another_is_made_of(request_, root):
    other = replace(request_, source="seed:21", output=Path("other.mp4"))
    check_all([request_, other], root)
    drawn = replace(other, driving=Path("me.png"), output=Path("talk.mp4"))
    with pytest.raises(ValueError, match="--output talk.mp4 would overwrite talk.mp4, which it is made of"):
        check_all([request_, drawn], root)


def test_of_several_requests_every_file_is_checked(request_, root):
    for wrong in ({"source": "none.jpg"}, {"driving": Path("none.mp4")}):
        with pytest.raises(ValueError, match="none.jpg does not exist|none.mp4 does not exist"):
            check_all([request_, replace(request_, **wrong)], root)


def test_an_unreadable_file_is_told_from_a_missing_one(request_, root, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)  # as root may read all
    with pytest.raises(ValueError, match="--source me.png may not be read"):
        check(request_, root)


def test_a_package_without_its_workflow_says_so(request_, tmp_path):
    with pytest.raises(ValueError, match="the workflow is not in .*; install d2a with pip install -e"):
        check(request_, tmp_path)


@pytest.fixture
def morph(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        images.write_image(np.zeros((64, 64, 3), np.uint8), tmp_path / name)
    points = tables.points_column(np.zeros((2, 98, 2), np.float32))
    tables.write_parquet({"time_s": [0.0, 0.04], "points": points}, tmp_path / "pose.parquet", metadata={})
    tables.write_parquet({"a": [1]}, tmp_path / "other.parquet", metadata={})
    (tmp_path / "text.jpg").write_text("no picture")
    return MorphRequest(start="a.png", end="b.png", output=Path("out.mp4"), work=tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"start": "seed:3", "end": "pose.parquet"},
        {"start": "pose.parquet", "source": "seed:3", "loop": True},
        {"source": "b.png", "method": "optimize", "tune": False, "frames": 2, "fps": 60.0},
    ],
)
def test_a_good_morph_passes(morph, options):
    check_morph(replace(morph, **options), ROOT)


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
def test_a_bad_morph_is_one_sentence(morph, options, words):
    with pytest.raises(ValueError, match=words) as caught:
        check_morph(replace(morph, **options), ROOT)
    assert "\n" not in str(caught.value)
