"""The script that makes one driver of several clips."""

from importlib import util
from pathlib import Path
from types import SimpleNamespace

import av
import made_videos
import numpy as np
import pytest

from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media import video_reading
from d2a_core.store import tables

SCRIPT = Path(__file__).parents[2] / "workflow_scripts" / "combine_driving.py"
FACE = 0.25 * template_of(WFLW98)[:, :2] + [0.5, 0.4]
MOUTH = list(WFLW98.parts["mouth"])


def write_table(points, path):
    count = len(points)
    columns = {name: np.full(count, name == "found") for name in ("found", "interpolated", "held")}
    columns |= {name: np.zeros(count, np.float32) for name in ("yaw", "pitch", "roll", "score")}
    columns |= {"points": tables.points_column(points), "shot": np.zeros(count, np.int32)}
    tables.write_parquet(columns, path, metadata={"rate": "25"})


def write_with_sound(path):
    """Write a grey video whose sound is a second of silence."""
    with av.open(path, "w") as container:
        pictures, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=48000)
        pictures.width, pictures.height, sound.layout = 96, 64, "mono"
        frames = [av.VideoFrame.from_ndarray(np.full((64, 96, 3), 128, np.uint8))] * 6
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.int16), "s16", "mono")
        samples.sample_rate = 48000
        for stream, given in ((pictures, frames), (sound, [samples])):
            for frame in [*given, None]:
                container.mux(stream.encode(frame))


@pytest.fixture
def main():
    spec = util.spec_from_file_location("combine_driving", SCRIPT)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_lips_of_a_second_clip_are_in_the_table_and_heard_in_the_video(main, tmp_path):
    write_table(np.repeat(FACE[None], 6, axis=0), tmp_path / "still.parquet")
    spoken = np.repeat(FACE[None], 6, axis=0)
    spoken[3:5, [*range(83, 88), *range(93, 96)], 1] += 0.05
    write_table(spoken, tmp_path / "talk.parquet")
    made_videos.write(tmp_path / "still.mp4", made_videos.scene(6))
    write_with_sound(tmp_path / "talk.mp4")
    parts = {"pose": "still", "expression": "still", "lips": "talk"}
    main(
        SimpleNamespace(
            input=SimpleNamespace(
                tables=[str(tmp_path / f"{clip}.parquet") for clip in parts.values()],
                videos=[str(tmp_path / f"{clip}.mp4") for clip in parts.values()],
            ),
            output=SimpleNamespace(table=tmp_path / "mix.parquet", video=tmp_path / "mix.mp4"),
            log=[tmp_path / "log"],
            threads=1,
            wildcards=SimpleNamespace(combination="mix"),
            params=SimpleNamespace(parts=parts, height=64),
        )
    )
    points = tables.points_array(tables.read_parquet(tmp_path / "mix.parquet"))
    assert np.ptp(points[:, MOUTH, 1], axis=0).max() == pytest.approx(0.05, abs=1e-3)
    assert not np.ptp(np.delete(points, MOUTH + list(WFLW98.parts["contour"]), axis=1), axis=0).any()
    info = video_reading.probe(tmp_path / "mix.mp4")
    assert (info.rate, info.frames, info.has_audio) == (25, 6, True)
    assert (info.width, info.height > 64) == (2 * 96, True)  # two clips, with captions below
    facts = tables.parquet_metadata(tmp_path / "mix.parquet")
    assert Path(facts["pose"]).stem == "still" and Path(facts["lips"]).stem == "talk"
