import json

import av
import numpy as np
import pytest
import torch
from odd_clips import mux, numbered, packets
from PIL import Image

from d2a_core.media import images
from d2a_core.store import arrays, provenance, tables, weights
from d2a_core.workflow.inspection import WIDTH, describe


def row(text, name):
    """The cells of the one line that starts with `name`."""
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [name]]
    return line.split()


def summary(path):
    text = describe(path)
    assert max(map(len, text.splitlines())) <= WIDTH
    return text


def test_table_summary_has_ranges_found_metadata_and_head(tmp_path):
    path = tmp_path / "landmarks.parquet"
    points = np.full((4, 98, 2), 0.25, np.float32)
    points[3] = np.nan
    columns = {
        "sample_id": np.arange(4),
        "found": [True, True, True, False],
        "points": tables.points_column(points),
        "yaw": np.array([-10, 2, 30, np.nan], np.float32),
        "part": ["mouth"] * 4,
    }
    tables.write_parquet(columns, path, metadata=provenance.provenance(detector="facemesh", note="x" * 200))
    text = summary(path)
    assert "table of 4 rows" in text and "found 3 of 4 (75.0%)" in text
    assert row(text, "yaw") == ["yaw", "float", "-10", "2", "30"]
    assert row(text, "points") == ["points", "float[196]", "0.25", "0.25", "0.25"]
    assert row(text, "part") == ["part", "string"]
    assert row(text, "detector") == ["detector", "facemesh"]
    head = text.split("first rows:\n")[1].splitlines()
    assert len(head) == 5 and head[1].split()[:2] == ["0", "True"] and "[0.25, 0.25, …]" in head[1]


def test_table_without_rows_or_numbers_is_described(tmp_path):
    tables.write_parquet(
        {"found": np.zeros(0, bool), "yaw": np.zeros(0)}, tmp_path / "t.parquet", metadata={}
    )
    text = summary(tmp_path / "t.parquet")
    assert "table of 0 rows" in text and "metadata: none" in text
    assert row(text, "yaw") == ["yaw", "double", "-", "-", "-"]


def test_store_summary_has_shapes_moments_and_compression(tmp_path):
    path = tmp_path / "latents.zarr"
    w = np.tile(np.array([[-1.0, 2.0]], np.float32), (130, 1))
    w[0] = np.nan
    contents = {"w": w, "image": np.full((3, 16, 16, 3), 7, np.uint8), "none": np.zeros((0, 2))}
    arrays.write_zarr(path, contents, attributes={"seed": 7})
    text = summary(path)
    assert "zarr store of 3 arrays" in text and row(text, "seed") == ["seed", "7"]
    assert row(text, "w")[:8] == ["w", "130×2", "float32", "64×2", "-1", "0.5", "2", "2"]
    assert row(text, "image")[:8] == [
        "image",
        "3×16×16×3",
        "uint8",
        "3×16×16×3",
        "7",
        "7",
        "7",
        "0",
    ]
    assert row(text, "none")[4:8] == ["-", "-", "-", "0"]
    on_disk, ratio = float(row(text, "image")[8]), float(row(text, "image")[10])
    assert on_disk < 2304 and ratio > 1


def test_checkpoint_summary_counts_numbers_and_shows_plain_values(tmp_path):
    state = {"model": {"a": torch.zeros(2, 3), "b": torch.zeros(4)}, "step": 9, "empty": {}}
    weights.write_checkpoint(state, tmp_path / "a.pt")
    text = summary(tmp_path / "a.pt")
    assert "checkpoint of 2 tensors, 10 numbers" in text
    assert row(text, "model.a") == ["model.a", "2×3", "torch.float32", "6"]
    assert row(text, "step") == ["step", "9"] and row(text, "empty") == ["empty", "{}"]


def test_a_generator_tells_its_architecture_and_origin(tmp_path):
    facts = {"architecture": {"resolution": 64}, "origin": {"name": "mine"}}
    weights.write_safetensors({"w": torch.zeros(2, 3)}, tmp_path / "a.safetensors", metadata=facts)
    text = describe(tmp_path / "a.safetensors")
    assert "checkpoint of 1 tensors, 6 numbers" in text
    assert '{"resolution": 64}' in text and '{"name": "mine"}' in text


def test_checkpoint_summary_of_many_tensors_stays_short(tmp_path):
    weights.write_checkpoint({f"t{n}": torch.zeros(1) for n in range(50)}, tmp_path / "a.pt")
    text = summary(tmp_path / "a.pt")
    assert "50 tensors, 50 numbers" in text and "… and 10 more" in text
    assert len(text.splitlines()) < 50


def test_picture_summary_has_size_and_text(tmp_path):
    images.write_image(np.zeros((4, 6, 3), np.uint8), tmp_path / "i.png", text={"source": "me"})
    text = summary(tmp_path / "i.png")
    assert "picture of 6×4 pixels" in text and row(text, "source") == ["source", "me"]


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "blink"
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 32, "yuv420p"
        audio = container.add_stream("aac", rate=16000, layout="mono")
        for _ in range(10):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 64, 3), np.uint8), format="rgb24")
            container.mux(video.encode(picture))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 16000
        container.mux(audio.encode(sound))
        container.mux(video.encode())
        container.mux(audio.encode())
    return path


def test_video_summary_has_picture_sound_and_title(clip):
    text = summary(clip)
    assert "video: 64×32, 25 fps, 10 frames, 0.40 s, mpeg4" in text
    assert "audio: aac, 16000 Hz, mono" in text
    assert row(text, "title") == ["title", "blink"]


def test_asset_folder_summary_has_files_and_licence(tmp_path):
    record = {
        "name": "tiny",
        "licence": "MIT",
        "files": {"net.bin": {"bytes": 102400, "sha256": "ab" * 32}},
    }
    (tmp_path / "asset.json").write_text(json.dumps(record))
    text = summary(tmp_path)
    assert row(text, "net.bin") == ["net.bin", "102,400", "ab" * 8 + "…"]
    assert row(text, "licence") == ["licence", "MIT"]


def test_absent_unknown_and_damaged_paths_are_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="none.pt does not exist"):
        describe(tmp_path / "none.pt")
    (tmp_path / "a.doc").touch()
    for odd in (tmp_path / "a.doc", tmp_path):
        with pytest.raises(ValueError, match="is of no known type; inspect reads .parquet"):
            describe(odd)
    for name in ("a.parquet", "a.pt", "a.png", "a.mp4"):
        (tmp_path / name).write_bytes(b"damaged")
        with pytest.raises(ValueError, match=f"{name} cannot be read") as caught:
            describe(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_files_of_a_user_are_described_by_their_content(tmp_path):
    pictures = [Image.fromarray(numbered(number)) for number in range(3)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=100)
    mux(tmp_path / "a.ts", packets(5)).rename(tmp_path / "a.jpg")
    (tmp_path / "frames").mkdir()
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / "frames" / f"{number}.png")
    assert "pictures that move, 96×64, 10 fps, 3 frames, 0.30 s" in describe(tmp_path / "a.webp")
    assert "pictures that move, 96×64, 25 fps, 3 frames, 0.12 s" in describe(tmp_path / "frames")
    assert "video: 96×64, 30 fps" in describe(tmp_path / "a.jpg")
