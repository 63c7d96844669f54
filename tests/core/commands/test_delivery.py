import re
import shutil
from fractions import Fraction

import made_videos
import numpy as np
import pytest
from PIL import Image

from d2a_core.commands import animate, delivery
from d2a_core.commands.requests import Request
from d2a_core.media import images
from d2a_core.store import tables


@pytest.fixture
def photo(tmp_path):
    images.write_image(np.zeros((64, 64, 3), np.uint8), tmp_path / "home" / "me.png")
    return tmp_path / "home" / "me.png"


@pytest.mark.parametrize(
    "options", [{}, {"face": 2, "method": "hfgi"}, {"tune": False}, {"method": "encoder", "tune": True}]
)
def test_what_was_asked_for_a_photo_comes_back_and_names_the_same_source(photo, tmp_path, options):
    request = Request(source=str(photo), work=tmp_path / "work", **options)
    entry, copies = delivery.adopt_source(request, request.work)
    photo.unlink()
    asked = delivery.recalled(entry["name"], request.work)
    assert asked == {"face": None, "method": None, "tune": None} | options | {"source": asked["source"]}
    assert copies == {entry["image"]: str(photo)}
    assert asked["source"] == str(request.work / entry["image"])
    again, _ = delivery.adopt_source(Request(work=request.work, **asked), request.work)
    assert again == entry


def test_what_was_asked_for_a_seed_comes_back(tmp_path):
    entry, _ = delivery.adopt_source(Request(source="seed:21", work=tmp_path), tmp_path)
    assert delivery.recalled(entry["name"], tmp_path) == {"source": "seed:21"}


def test_a_source_that_nobody_asked_for_or_whose_copy_is_gone_is_not_recalled(photo, tmp_path):
    assert delivery.recalled("held-out-3", tmp_path) is None
    entry, _ = delivery.adopt_source(Request(source=str(photo), work=tmp_path), tmp_path)
    (tmp_path / entry["image"]).unlink()
    assert delivery.recalled(entry["name"], tmp_path) is None


def test_every_face_of_a_photo_is_counted(assets, tmp_path):
    from skimage.data import astronaut

    pair = np.concatenate((astronaut(), astronaut()[:, ::-1]), axis=1)
    images.write_image(pair, tmp_path / "us.png")
    models = assets / "mediapipe-face"
    assert animate._count(tmp_path / "us.png", models, 1) == 2


def test_a_driver_without_the_face_that_is_asked_for_is_refused_before_any_stage(assets, tmp_path):
    from skimage.data import astronaut

    pair = np.concatenate((astronaut(), astronaut()[:, ::-1]), axis=1)
    made_videos.write(tmp_path / "us.mp4", [np.zeros_like(pair), pair, pair], rate=Fraction(2))
    shutil.copytree(assets / "mediapipe-face", tmp_path / animate.FACE_MODELS)

    def plan(number):
        request = Request(
            source="seed:21", driving=tmp_path / "us.mp4", driver_face=number, work=tmp_path, dry_run=True
        )
        return animate.make_plan(request, tmp_path)

    assert plan(2).overlay["driving"]["clips"][0]["face"] == 2
    words = "the first frame of .*us.mp4 that shows a face has no face number 3: 2 found, 1 at x=.*; choose"
    with pytest.raises(ValueError, match=words) as refused:
        plan(3)
    assert "\n" not in str(refused.value)


def test_a_source_keeps_the_photo_that_it_is_made_of_whatever_becomes_of_the_users(photo, tmp_path):
    was = photo.read_bytes()
    entry, _ = delivery.adopt_source(Request(source=str(photo), work=tmp_path / "work"), tmp_path / "work")
    images.write_image(np.full((64, 64, 3), 255, np.uint8), photo)
    copy = delivery.copied_photo(entry["name"], tmp_path / "work")
    assert copy.read_bytes() == was
    copy.unlink()
    with pytest.raises(ValueError, match="is gone; run the command again"):
        delivery.copied_photo(entry["name"], tmp_path / "work")


def test_a_file_that_changes_while_it_is_copied_is_refused_and_leaves_nothing(photo, tmp_path, monkeypatch):
    copy = shutil.copyfile

    def grow(path, target):
        with photo.open("ab") as handle:
            handle.write(b"more")
        return copy(path, target)

    monkeypatch.setattr(shutil, "copyfile", grow)
    with pytest.raises(ValueError, match="me.png changed while it was copied; wait until it is whole"):
        delivery.adopt(photo, tmp_path / "work", "photo")
    assert list((tmp_path / "work" / delivery.INPUTS).iterdir()) == []
    monkeypatch.undo()
    _, path = delivery.adopt(photo, tmp_path / "work", "photo")
    assert (tmp_path / "work" / path).read_bytes() == photo.read_bytes()


@pytest.mark.parametrize(
    "name", ["-me.png", "mein Föto (1).png", "a[1]*.png", "p%03d.png", "12:30.png", "n\nl.png", "日本.PNG"]
)
def test_any_name_becomes_one_of_letters_and_digits(photo, tmp_path, name):
    copy, path = delivery.adopt(photo.rename(photo.with_name(name)), tmp_path / "work", "photo")
    assert re.fullmatch(r"[A-Za-z0-9-]+-[0-9a-f]{12}", copy) and not copy.startswith("-")
    assert path == f"data/inputs/{copy}.png" and (tmp_path / "work" / path).is_file()


def test_numbered_pictures_are_copied_in_order_and_known_again(tmp_path):
    folder = tmp_path / "walk"
    folder.mkdir()
    for number in range(11):
        Image.new("RGB", (96, 64), (number, 0, 0)).save(folder / f"frame{number}.png")
    (folder / "notes1.txt").write_text("no picture")
    name, copy = delivery.adopt(folder, tmp_path / "work", "clip")
    assert name.startswith("walk-") and copy == f"data/inputs/{name}.frames"
    kept = sorted((tmp_path / "work" / copy).iterdir())
    assert [Image.open(path).getpixel((0, 0))[0] for path in kept] == list(range(11))
    folder.rename(tmp_path / "moved")
    assert delivery.adopt(tmp_path / "moved", tmp_path / "work", "clip") == (name, copy)
    (tmp_path / "moved" / "frame3.png").unlink()
    assert delivery.adopt(tmp_path / "moved", tmp_path / "work", "clip")[0] != name


def test_the_copy_of_a_file_is_called_by_its_content_where_the_workflow_goes_by_the_name(tmp_path):
    tables.write_parquet({"time_s": [0.0]}, tmp_path / "t.parquet", metadata={})
    (tmp_path / "t.parquet").rename(tmp_path / "table.mp4")
    Image.new("RGB", (96, 64)).save(tmp_path / "photo.parquet", format="PNG")
    Image.new("RGB", (96, 64), "red").save(tmp_path / "photo.JPG", format="PNG")
    Image.new("RGB", (96, 64), "blue").save(tmp_path / "photo", format="PNG")
    ends = {"table.mp4": ".parquet", "photo.parquet": ".png", "photo.JPG": ".jpg", "photo": ".png"}
    for name, suffix in ends.items():
        assert delivery.adopt(tmp_path / name, tmp_path / "work", "clip")[1].endswith(suffix)
