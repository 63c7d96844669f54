import json
import warnings

import numpy as np
import pytest
import zarr

from d2a_core.store import arrays, manifests


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


def test_rows_of_several_stores_come_so_many_at_a_time(tmp_path):
    whole, paths = np.arange(32).reshape(16, 2), []
    for number, part in enumerate(np.split(whole, [5, 5, 12])):
        paths.append(tmp_path / f"{number}.zarr")
        arrays.write_zarr(paths[-1], {"w": part}, attributes={}, chunk_rows=3)
    parts = list(arrays.read_rows(paths, "w", 6))
    assert [len(part) for part in parts] == [6, 6, 4]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert [len(part) for part in arrays.read_rows(paths, "w", 8)] == [8, 8]
    with pytest.raises(ValueError, match="0.zarr has no array 'image' but w; delete it"):
        next(arrays.read_rows(paths, "image", 8))


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
