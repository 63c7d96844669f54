"""Files of the studio: uploads are checked and kept by content, results are shown and nothing else."""

import asyncio
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from d2a_core.commands import delivery
from d2a_core.commands.studio import files
from d2a_core.store import arrays, manifests, tables, texts


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    tables.write_parquet({"a": [1, 2]}, folder / "directions" / "catalogue.parquet", metadata={})
    arrays.write_zarr(folder / "directions" / "directions.zarr", {"x": np.zeros(3)}, attributes={})
    texts.write_text("| a |\n", folder / "evaluation" / "table.md")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


def _take(work, data, **words):
    async def chunks():
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    return asyncio.run(files.take(chunks(), work, **words))


def _png():
    stream = io.BytesIO()
    Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_a_photo_is_kept_as_the_command_keeps_it(tmp_path):
    kept = _take(tmp_path, _png(), kind="photo", name="Mé & you.png")
    assert kept["path"].startswith("data/inputs/Me-you-") and kept["label"] == "Mé & you.png"
    assert files.brought(tmp_path, kept["path"]).read_bytes() == _png()
    assert _take(tmp_path, _png(), kind="photo", name="again.png")["path"] == kept["path"]
    (tmp_path / "again.png").write_bytes(_png())
    assert delivery.adopt(tmp_path / "again.png", tmp_path, "photo")[1] == kept["path"]


def test_what_can_drive_is_listed_and_nothing_else_is_taken(tmp_path, results):
    tables.write_parquet({"time_s": [0.0]}, results / "driving" / "talk.parquet", metadata={})
    kept = _take(tmp_path, _png(), kind="clip", name="pose.png")
    paths = [clip["path"] for clip in files.clips(tmp_path)]
    assert paths == [kept["path"], "results/driving/talk.parquet"]
    assert all(files.driver(tmp_path, path).is_file() for path in paths)
    with pytest.raises(ValueError, match="was not uploaded here"):
        files.driver(tmp_path, "results/directions/catalogue.parquet")


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        ("photo", b"just words", "me.jpg is a text, not a picture that can be read"),
        ("photo", b"", "me.jpg is empty"),
        ("clip", b"just words", "me.jpg"),
        ("book", b"just words", "an upload is a photo or a clip"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_leaves_nothing(tmp_path, kind, data, told):
    with pytest.raises(ValueError, match=told) as raised:
        _take(tmp_path, data, kind=kind, name="me.jpg")
    assert "\n" not in str(raised.value) and str(tmp_path) not in str(raised.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_upload_that_is_too_large_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setitem(files.LARGEST, "photo", 1500)
    with pytest.raises(ValueError, match="me.png has more than"):
        _take(tmp_path, b"x" * 4000, kind="photo", name="me.png")


@pytest.mark.parametrize(
    "path", ["../secret.txt", "data/inputs/../../secret.txt", "data/inputs", "/etc/passwd"]
)
def test_only_uploads_are_taken_as_photos(tmp_path, path, results):
    with pytest.raises(ValueError, match="was not uploaded here"):
        files.brought(tmp_path, path)


def test_results_are_listed_and_described(results):
    assert files.listing(results, "")["folders"] == ["directions", "evaluation"]
    inside = files.listing(results, "directions")
    assert inside["folders"] == []
    assert [(file["name"], file["kind"]) for file in inside["files"]] == [
        ("catalogue.parquet", "data"),
        ("directions.zarr", "data"),
    ]
    assert all(file["bytes"] > 0 for file in inside["files"])
    assert "table of 2 rows" in files.describe(results, "directions/catalogue.parquet")
    assert files.describe(results, "evaluation/table.md") == "| a |\n"


@pytest.mark.parametrize(
    "path", ["../secret.txt", "/etc/passwd", "none", "directions/.catalogue.parquet.manifest.json", ".."]
)
def test_nothing_hidden_or_outside_the_results_is_shown(results, path):
    for show in (files.artefact, files.listing, files.describe):
        with pytest.raises(ValueError, match="there is no"):
            show(results, path)


def test_a_link_out_of_the_results_is_not_followed(results):
    (results / "link").symlink_to(results.parent / "secret.txt")
    with pytest.raises(ValueError, match="there is no"):
        files.artefact(results, "link")


def test_a_store_comes_as_a_zip_archive_of_its_files(results):
    store = results / "directions" / "directions.zarr"
    archive = zipfile.ZipFile(io.BytesIO(b"".join(files.zipped(store))))
    assert archive.testzip() is None
    names = [f"directions.zarr/{name}" for name in manifests.contents(store)]
    assert archive.namelist() == names and names
    assert archive.read("directions.zarr/zarr.json") == (store / "zarr.json").read_bytes()


def test_pictures_and_arrays_come_back_from_their_bytes(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    kept = Image.open(io.BytesIO(files.png_file(picture, {"title": "Synthetic face"}, tmp_path)))
    assert (np.asarray(kept) == picture).all() and kept.text == {"title": "Synthetic face"}
    assert Image.open(io.BytesIO(files.jpeg_file(picture))).format == "JPEG"
    code = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    assert (np.load(io.BytesIO(files.array_file(code))) == code).all()
