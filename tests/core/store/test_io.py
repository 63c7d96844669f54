import json
import os
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import torch
import zarr
from PIL import Image

import d2a_core
from d2a_core.media import images
from d2a_core.store import arrays, atomic, manifests, provenance, tables, texts, weights


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "s.zarr"
    contents = {
        "w": np.arange(600, dtype=np.float32).reshape(300, 2),
        "zero": np.zeros((130, 3), np.uint8),
        "empty": np.zeros((0, 5), np.int64),
        "scalar": np.array(2.5),
    }
    arrays.write_zarr(path, contents, attributes={"seed": 7})
    return path, contents


def only(folder):
    return sorted(child.name for child in folder.iterdir())


def files(folder):
    return {
        str(child.relative_to(folder)): child.read_bytes() for child in folder.rglob("*") if child.is_file()
    }


def test_atomic_path_replaces_only_on_success(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic.atomic_path(path) as part:
        part.write_text("one")
        assert part.suffix == ".txt" and part.parent == path.parent and not path.exists()
    with pytest.raises(KeyboardInterrupt), atomic.atomic_path(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "one" and only(path.parent) == [".a.txt.manifest.json", "a.txt"]


def test_atomic_path_replaces_a_folder_by_a_folder(tmp_path):
    path = tmp_path / "a"
    (path / "deep").mkdir(parents=True)
    with atomic.atomic_path(path) as part:
        part.mkdir()
        (part / "new").touch()
    assert only(path) == [".manifest.json", "new"] and only(tmp_path) == ["a"]


def test_provenance_keeps_plain_values_and_drops_none():
    @dataclass(frozen=True)
    class Options:
        seed: int

    facts = provenance.provenance(
        generator="g",
        detector=None,
        mean=np.float32(0.5),
        sides=(1, 2),
        options=Options(3),
        path=Path("a/b"),
        count=np.arange(2),
    )
    assert facts == {
        "generator": "g",
        "mean": 0.5,
        "sides": [1, 2],
        "options": {"seed": 3},
        "path": "a/b",
        "count": [0, 1],
        "created_by": "d2animator",
        "version": d2a_core.__version__,
    }


@pytest.mark.parametrize("fact", [{1, 2}, float("nan"), object])
def test_provenance_names_what_json_cannot_hold(fact):
    with pytest.raises(ValueError, match="the fact odd="):
        provenance.provenance(odd=fact)


def test_zarr_round_trip_keeps_values_types_and_attributes(store):
    path, contents = store
    found = arrays.read_zarr(path)
    assert found.keys() == contents.keys()
    for name, array in contents.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert arrays.zarr_attributes(path) == {"seed": 7}
    assert list(arrays.read_zarr(path, ["zero"])) == ["zero"]


def test_zarr_is_version_3_compressed_and_chunked_by_rows(store):
    path, _ = store
    meta = json.loads((path / "w" / "zarr.json").read_text())
    assert meta["zarr_format"] == 3
    assert [codec["name"] for codec in meta["codecs"]] == ["bytes", "zstd"]
    assert meta["chunk_grid"]["configuration"]["chunk_shape"] == [64, 2]


def test_zarr_blocks_cover_the_array_chunk_by_chunk(store):
    path, contents = store
    opened = arrays.open_zarr(path)
    blocks = list(arrays.zarr_blocks(path, opened["w"]))
    assert [len(block) for block in blocks] == [64, 64, 64, 64, 44]
    np.testing.assert_array_equal(np.concatenate(blocks), contents["w"])
    assert list(arrays.zarr_blocks(path, opened["scalar"])) == [2.5]


def test_zarr_reading_ignores_what_snakemake_leaves_inside(store):
    path, contents = store
    (path / ".snakemake_timestamp").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert arrays.read_zarr(path).keys() == contents.keys()


@pytest.mark.parametrize("mode", ["r", "r+", "a"])
def test_zarr_itself_lists_a_store_without_a_warning(store, mode):
    path, contents = store
    (path / ".snakemake_timestamp").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group = zarr.open_group(path, mode=mode)
        assert (
            {name for name, _ in group.arrays()} == set(group) == set(group.array_keys()) == contents.keys()
        )
        assert len(group) == group.nmembers(max_depth=None) == 4 and not list(group.groups())
        assert [name for name, _ in group.members(max_depth=None)] == sorted(contents)
        group.info_complete()
        assert zarr.open(path, mode=mode)["scalar"][()] == 2.5


def test_zarr_of_an_earlier_version_has_no_consolidated_metadata_and_is_read(store):
    path, contents = store
    header = json.loads((path / "zarr.json").read_text())
    assert header.pop("consolidated_metadata")["metadata"].keys() == contents.keys()
    (path / "zarr.json").write_text(json.dumps(header))
    facts = json.loads((path / ".manifest.json").read_text())
    facts["files"]["zarr.json"] = {
        "bytes": (path / "zarr.json").stat().st_size,
        "sha256": manifests.digest(path / "zarr.json"),
    }
    (path / ".manifest.json").write_text(json.dumps(facts))
    assert arrays.read_zarr(path).keys() == contents.keys() and arrays.zarr_attributes(path) == {"seed": 7}


def test_zarr_writing_replaces_a_folder_that_is_there_and_repeats_to_the_byte(store):
    path, contents = store
    before = files(path)
    (path / "stale").mkdir()
    arrays.write_zarr(path, contents, attributes={"seed": 7})
    assert files(path) == before and only(path.parent) == ["s.zarr"]


def test_zarr_failure_leaves_nothing_under_the_name(tmp_path):
    contents = {"good": np.zeros(3), "bad": np.array([object()])}
    with pytest.raises(ValueError):
        arrays.write_zarr(tmp_path / "s.zarr", contents, attributes={})
    assert only(tmp_path) == []


def damage(path, how):
    chunk = path / "w" / "c" / "1" / "0"
    packed = bytearray(chunk.read_bytes())
    packed[len(packed) // 2] ^= 1
    {
        "lost chunk": chunk.unlink,
        "lost chunk of zeros": (path / "zero" / "c" / "0" / "0").unlink,
        "cut chunk": lambda: chunk.write_bytes(packed[:-20]),
        "flipped bit": lambda: chunk.write_bytes(packed),
        "lost array header": (path / "w" / "zarr.json").unlink,
        "cut group header": lambda: (path / "zarr.json").write_text('{"a"'),
        "odd group header": lambda: (path / "zarr.json").write_text("[]"),
    }[how]()


@pytest.mark.parametrize(
    "how",
    [
        "lost chunk",
        "lost chunk of zeros",
        "cut chunk",
        "flipped bit",
        "lost array header",
        "cut group header",
        "odd group header",
    ],
)
@pytest.mark.parametrize("manifest", [True, False])
def test_zarr_damage_is_one_sentence_with_the_remedy(store, how, manifest):
    path, _ = store
    damage(path, how)
    if not manifest:
        (path / ".manifest.json").unlink()
    with pytest.raises(ValueError, match="delete .* and snakemake recomputes it") as caught:
        arrays.read_zarr(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_zarr_missing_store_or_array_is_named(store, tmp_path):
    with pytest.raises(ValueError, match="none.zarr does not exist; run snakemake"):
        arrays.read_zarr(tmp_path / "none.zarr")
    with pytest.raises(ValueError, match="does not exist"):
        arrays.zarr_attributes(tmp_path / "none.zarr")
    with pytest.raises(ValueError, match="no array 'z' but empty, scalar, w, zero"):
        arrays.read_zarr(store[0], ["w", "z"])


def test_forbidden_store_is_not_called_damaged(store, monkeypatch):
    def forbid(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("zarr.open_group", forbid)
    with pytest.raises(PermissionError):  # deleting it would not help
        arrays.read_zarr(store[0])


def test_parquet_round_trip_keeps_columns_and_metadata(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {"sample_id": np.arange(3), "found": [True, False, True]}
    tables.write_parquet(columns, path, metadata={"units": {"yaw": "degrees"}})
    table = tables.read_parquet(path)
    assert table.to_pydict() == {"sample_id": [0, 1, 2], "found": [True, False, True]}
    assert tables.parquet_metadata(path) == {"units": {"yaw": "degrees"}}
    first = path.read_bytes()
    tables.write_parquet(table, path, metadata={"units": {"yaw": "degrees"}})
    assert path.read_bytes() == first and only(tmp_path) == [".t.parquet.manifest.json", "t.parquet"]


def test_parquet_of_another_program_has_no_metadata(tmp_path):
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "t.parquet")
    assert tables.parquet_metadata(tmp_path / "t.parquet") == {}


def test_parquet_in_a_folder_named_like_a_partition_gains_no_column(tmp_path):
    path = tmp_path / "source=me" / "t.parquet"
    tables.write_parquet({"a": [1]}, path, metadata={})
    assert tables.read_parquet(path).column_names == ["a"]


def test_parquet_damage_is_one_sentence(tmp_path):
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"a": [1]}), path)  # by another program: no manifest tells of it
    path.write_bytes(path.read_bytes()[:-6])
    for read in (tables.read_parquet, tables.parquet_metadata):
        with pytest.raises(ValueError, match="t.parquet cannot be read .* delete it and snakemake"):
            read(path)


def test_points_column_interleaves_x_and_y_and_comes_back(tmp_path):
    points = np.arange(12, dtype=np.float64).reshape(2, 3, 2) / 8
    column = tables.points_column(points)
    assert str(column.type) == "fixed_size_list<item: float>[6]"
    assert column[0].as_py() == [0.0, 0.125, 0.25, 0.375, 0.5, 0.625]
    tables.write_parquet({"points": column}, tmp_path / "t.parquet", metadata={})
    found = tables.points_array(tables.read_parquet(tmp_path / "t.parquet"))
    assert found.dtype == np.float32 and found.flags.writeable
    np.testing.assert_array_equal(found, points)


def test_points_array_respects_slices_and_empty_tables():
    points = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    table = pyarrow.table({"p": tables.points_column(points)})
    np.testing.assert_array_equal(tables.points_array(table.slice(1, 2), "p"), points[1:])
    assert tables.points_array(table.slice(0, 0), "p").shape == (0, 2, 2)


def test_points_of_the_wrong_shape_or_name_are_refused():
    with pytest.raises(ValueError, match=r"not \[4, 3\]"):
        tables.points_column(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="no column 'points' but a"):
        tables.points_array(pyarrow.table({"a": [1]}))
    with pytest.raises(ValueError, match="'a' .* does not hold"):
        tables.points_array(pyarrow.table({"a": [1]}), "a")


def test_image_round_trip_keeps_pixels_and_text(tmp_path):
    path, pixels = tmp_path / "i.png", np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    images.write_image(pixels, path, text={"prompt": "größe", "facts": {"seed": 1}})
    np.testing.assert_array_equal(images.read_image(path), pixels)
    assert images.image_text(path) == {"prompt": "größe", "facts": '{"seed": 1}'}
    first = path.read_bytes()
    images.write_image(pixels, path, text={"prompt": "größe", "facts": {"seed": 1}})
    assert path.read_bytes() == first and only(tmp_path) == [".i.png.manifest.json", "i.png"]


def test_image_of_a_turned_camera_is_read_upright(tmp_path):
    image = Image.new("L", (4, 2))
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    image.save(tmp_path / "i.jpg", exif=exif)
    assert images.read_image(tmp_path / "i.jpg").shape == (4, 2, 3)


def test_image_damage_names_what_to_give(tmp_path):
    path = tmp_path / "i.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    for content in (path.read_bytes()[:3000], b"no picture"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="i.png cannot be read as a picture .* give an intact"):
            images.read_image(path)


def test_checkpoint_round_trip_repeats_to_the_byte(tmp_path):
    state = {"model": {"weight": torch.arange(6.0).reshape(2, 3)}, "step": 4, "names": ["a"]}
    weights.write_checkpoint(state, tmp_path / "a.pt")
    weights.write_checkpoint(state, tmp_path / "b.pt")
    found = weights.read_checkpoint(tmp_path / "a.pt")
    torch.testing.assert_close(found["model"]["weight"], state["model"]["weight"])
    assert (found["step"], found["names"]) == (4, ["a"])
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


class Code:
    def __reduce__(self):
        return os.mkdir, ("run-by-the-checkpoint",)


def test_checkpoint_damage_and_code_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pt"
    torch.save({"weight": torch.zeros(1000)}, path)
    whole = path.read_bytes()
    for content in (whole[:-100], b"", b"text", pickle.dumps(Code(), protocol=2)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="a.pt cannot be read .* delete it and snakemake"):
            weights.read_checkpoint(path)
    assert only(tmp_path) == ["a.pt"]


def test_text_is_utf8_with_unix_ends(tmp_path):
    texts.write_text("é\n", tmp_path / "t.md")
    assert (tmp_path / "t.md").read_bytes() == b"\xc3\xa9\n"


def test_json_reading_names_the_file(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1]}')
    assert texts.read_json(tmp_path / "a.json") == {"a": [1]}
    (tmp_path / "a.json").write_text('{"a": [1')
    with pytest.raises(ValueError, match="a.json cannot be read"):
        texts.read_json(tmp_path / "a.json")


def test_sha256_of_a_file_is_the_published_digest(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert texts.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223b00361a396177a9c")


def test_sha256_of_a_folder_sees_names_and_contents_but_nothing_hidden(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    first = texts.sha256(tmp_path)
    (tmp_path / ".snakemake_timestamp").touch()
    (tmp_path / "deep" / ".cache").mkdir()
    (tmp_path / "deep" / ".cache" / "x").touch()
    assert texts.sha256(tmp_path) == first
    (tmp_path / "b").rename(tmp_path / "c")
    assert texts.sha256(tmp_path) != first
    (tmp_path / "c").rename(tmp_path / "b")
    (tmp_path / "deep" / "a").write_text("3")
    assert texts.sha256(tmp_path) != first


def test_safetensors_give_back_tensors_and_metadata_also_where_they_share_memory(tmp_path):
    whole = torch.arange(6.0).reshape(2, 3)
    tensors = {"whole": whole, "turned": whole.T, "row": whole[1], "number": torch.tensor(2.0)}
    weights.write_safetensors(tensors, tmp_path / "a.safetensors", metadata={"side": 3})
    again, metadata = weights.read_safetensors(tmp_path / "a.safetensors")
    assert metadata == {"side": 3} and again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert weights.is_safetensors(tmp_path / "a.safetensors")
    (tmp_path / "plain").touch()
    rights = [(tmp_path / name).stat().st_mode for name in ("a.safetensors", "plain")]
    assert rights[0] == rights[1]  # as the umask says


@pytest.mark.parametrize("data", [b"", b"{}", b"\x80\x04" + bytes(6) + b"{", b"a short text{"])
def test_what_is_no_safetensors_file_is_told_and_not_read(tmp_path, data):
    (tmp_path / "a.safetensors").write_bytes(data)
    assert not weights.is_safetensors(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="cannot be read"):
        weights.read_safetensors(tmp_path / "a.safetensors")
