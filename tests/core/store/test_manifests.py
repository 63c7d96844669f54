"""Checks by manifests."""

import json
import random
import re

import numpy as np
import pytest
import torch
from made_artefacts import write_pictures, write_store, write_table

from d2a_core.media import images, video_reading, video_writing
from d2a_core.store import arrays, manifests, tables, texts, weights


def write_checkpoint(path):
    weights.write_checkpoint({"state": {"weight": torch.arange(500.0)}, "provenance": {"seed": 7}}, path)


def write_tensors(path):
    weights.write_safetensors({"weight": torch.arange(500.0)}, path, metadata={"seed": 7})


def write_picture(path):
    images.write_image(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8), path)


def write_facts(path):
    texts.write_json({"yaw": 12.25, "image": "me.jpg"}, path)


def write_clip(path):
    noise = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
    video_writing.write_frames(noise, path, rate=25, metadata={})


def read_pictures(path):
    return [images.read_image(picture) for picture in sorted(path.glob("*.png"))]


def read_store(path):
    return {name: array.tolist() for name, array in arrays.read_zarr(path).items()}, arrays.zarr_attributes(
        path
    )


KINDS = {
    "store.zarr": (write_store, read_store),
    "table.parquet": (write_table, tables.read_parquet),
    "fan.pt": (write_checkpoint, weights.read_checkpoint),
    "generator.safetensors": (write_tensors, weights.read_safetensors),
    "picture.png": (write_picture, images.read_image),
    "pictures": (write_pictures, read_pictures),
    "facts.json": (write_facts, texts.read_json),
    "clip.mp4": (write_clip, video_reading.probe),
}
HARMLESS = ["store.zarr"]  # some bits of zstd's frames mean nothing: what is read is the same


@pytest.fixture(params=KINDS)
def artefact(request, tmp_path):
    """An artefact of each kind, and how it is read."""
    write, read = KINDS[request.param]
    write(tmp_path / request.param)
    return tmp_path / request.param, read


def files_of(path):
    return [path / name for name in manifests.contents(path)] if path.is_dir() else [path]


def test_every_flipped_bit_is_told_and_never_read(artefact):
    path, read = artefact
    intact = read(path)
    draw = random.Random(0)
    for file in files_of(path):
        whole = file.read_bytes()
        for bit in draw.sample(range(8 * len(whole)), min(40, 8 * len(whole))):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            file.write_bytes(damaged)
            try:
                found = read(path)
            except ValueError as error:
                assert re.search(r"delete .*recomputes it", str(error))
            else:
                assert path.name in HARMLESS and found == intact
        file.write_bytes(whole)


def test_a_truncated_or_lost_file_is_told_with_its_name(artefact):
    path, read = artefact
    for file in files_of(path):
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
        with pytest.raises(ValueError, match=str(file)):
            read(path)
        file.write_bytes(whole)
    read(path)


def test_damages_are_found_in_every_file_and_none_in_a_whole_artefact(artefact):
    path, _ = artefact
    assert manifests.damages(path) == []
    for file in files_of(path):
        file.write_bytes(b"\0" * file.stat().st_size)
    assert len(manifests.damages(path)) == len(files_of(path))
    assert all(str(file) in said for file, said in zip(files_of(path), manifests.damages(path), strict=True))


def test_a_file_added_to_a_store_is_told(tmp_path):
    write_store(tmp_path / "store.zarr")
    (tmp_path / "store.zarr" / "w" / "more").touch()
    (said,) = manifests.damages(tmp_path / "store.zarr")
    assert "store.zarr/w/more was added" in said


def test_an_artefact_of_another_program_has_no_manifest_and_is_read(tmp_path):
    write_table(tmp_path / "table.parquet")
    (tmp_path / ".table.parquet.manifest.json").unlink()
    assert manifests.manifest(tmp_path / "table.parquet") is None
    assert len(tables.read_parquet(tmp_path / "table.parquet")) == 50


def test_a_damaged_manifest_is_told(tmp_path):
    write_table(tmp_path / "table.parquet")
    (tmp_path / ".table.parquet.manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="manifest of .*table.parquet, is damaged; delete"):
        tables.read_parquet(tmp_path / "table.parquet")


def test_a_manifest_is_the_published_digest_and_the_same_in_every_run(tmp_path):
    texts.write_text("abc", tmp_path / "a.md")
    first = (tmp_path / ".a.md.manifest.json").read_bytes()
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"
    assert json.loads(first) == {"files": {"a.md": {"bytes": 3, "sha256": known}}}
    texts.write_text("abc", tmp_path / "a.md")
    assert (tmp_path / ".a.md.manifest.json").read_bytes() == first


def test_a_new_file_replaces_the_old_one_with_its_manifest(tmp_path):
    for text in ("first", "second, longer"):
        texts.write_text(text, tmp_path / "a.md")
    assert manifests.check(tmp_path / "a.md").read_text() == "second, longer"
