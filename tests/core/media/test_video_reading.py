"""Frames of a clip, their times, and the facts of the clip."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import NTSC, psnr, scene, write

from d2a_core.media import video_reading

MEDIA = Path(__file__).parents[4] / "shared" / "media"
QUARTER_CLOCKWISE = (0, 1, 0, -1, 0, 0, 0, 0, 16384)  # (x, y) → (-y, x), ISO 14496-12, 8.3.2


def patch_matrix(path, matrix):
    """Give the first track another display matrix, as a telephone does."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44  # type, then 40 bytes up to the matrix in version 0
    content[start : start + 36] = np.array(matrix, ">i4").tobytes()
    path.write_bytes(content)


def test_round_trip_keeps_every_frame_and_its_time(tmp_path):
    frames = scene()
    write(tmp_path / "a.mp4", frames)
    found = list(video_reading.read_frames(tmp_path / "a.mp4"))
    assert [frame.index for frame in found] == list(range(12))
    np.testing.assert_allclose([frame.time_s for frame in found], np.arange(12) / 25)
    for frame in found:
        assert frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous
    assert min(psnr(f.image, true) for f, true in zip(found, frames, strict=True)) > 35
    assert max(psnr(f.image, after) for f, after in zip(found, frames[1:], strict=False)) < 35


def test_a_fractional_rate_survives(tmp_path):
    write(tmp_path / "a.mp4", scene(31), rate=NTSC)
    info = video_reading.probe(tmp_path / "a.mp4")
    assert (info.rate, info.frames) == (NTSC, 31)
    assert info.duration_s == pytest.approx(31 * 1001 / 30000, abs=1e-3)
    times = [frame.time_s for frame in video_reading.read_frames(tmp_path / "a.mp4")]
    np.testing.assert_allclose(times, np.arange(31) * 1001 / 30000, atol=1e-4)


def test_probe_tells_what_the_video_is(tmp_path):
    tags = {"title": "Título", "comment": "synthetic", "description": '{"version": "1"}'}
    write(tmp_path / "a.mp4", scene(), metadata=tags)
    info = video_reading.probe(tmp_path / "a.mp4")
    assert info == video_reading.VideoInfo(96, 64, Fraction(25), 12, pytest.approx(0.48), False, 0, tags)


def test_one_frame_is_a_video(tmp_path):
    write(tmp_path / "a.mp4", scene(1))
    assert len(list(video_reading.read_frames(tmp_path / "a.mp4"))) == 1
    assert video_reading.probe(tmp_path / "a.mp4").rate == 25


def forget(path):
    """Make a video one of another program: without the manifest, which would tell that it was altered."""
    path.with_name(f".{path.name}.manifest.json").unlink()


def test_a_quarter_turn_is_undone(tmp_path):
    frames = scene(2)
    write(tmp_path / "a.mp4", frames)
    forget(tmp_path / "a.mp4")
    patch_matrix(tmp_path / "a.mp4", [65536 * n if n in (1, -1) else n for n in QUARTER_CLOCKWISE])
    info = video_reading.probe(tmp_path / "a.mp4")
    assert (info.width, info.height, info.rotation) == (64, 96, 90)
    image = next(video_reading.read_frames(tmp_path / "a.mp4")).image
    assert image.shape == (96, 64, 3)
    assert psnr(image, frames[0].transpose(1, 0, 2)[:, ::-1]) > 35  # left edge is now on top


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_every_turn_is_undone(tmp_path, quarters):
    frames = scene(1)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
        stream.set_display_rotation(-90 * quarters)  # FFmpeg counts counterclockwise
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frames[0], format="rgb24")))
        container.mux(stream.encode())
    assert video_reading.probe(path).rotation == 90 * quarters
    assert psnr(next(video_reading.read_frames(path)).image, np.rot90(frames[0], -quarters)) > 35


def test_other_containers_are_read_and_time_starts_at_zero(tmp_path):
    path = tmp_path / "a.ts"  # its clock does not start at 0 and it counts no frames
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"b": "4M"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in scene(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    info = video_reading.probe(path)
    assert (info.rate, info.frames, info.has_audio) == (25, 10, False)
    times = [frame.time_s for frame in video_reading.read_frames(path)]
    np.testing.assert_allclose(times, np.arange(10) / 25, atol=1e-4)


def test_sound_is_noticed_and_sound_alone_refused(tmp_path):
    for name, with_video in (("both.mkv", True), ("sound.mkv", False)):
        with av.open(str(tmp_path / name), "w") as container:
            sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
            if with_video:
                stream = container.add_stream("mpeg4", rate=10)
                stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
                picture = av.VideoFrame.from_ndarray(scene(1)[0], format="rgb24")
                container.mux([*stream.encode(picture), *stream.encode()])
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
            samples.sample_rate = 8000
            container.mux([*sound.encode(samples), *sound.encode()])
    info = video_reading.probe(tmp_path / "both.mkv")
    assert info.has_audio and info.frames == 1 and info.duration_s == pytest.approx(0.1)
    for read in (video_reading.probe, lambda path: next(video_reading.read_frames(path))):
        with pytest.raises(ValueError, match="sound.mkv has no video stream; give a clip"):
            read(tmp_path / "sound.mkv")


def test_what_is_no_video_is_one_sentence(tmp_path):
    write(tmp_path / "whole.mp4", scene(60))
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:500])
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all\n" * 50)
    for read in (video_reading.probe, lambda path: next(video_reading.read_frames(path))):
        with pytest.raises(ValueError, match="absent.mp4 does not exist; give the path"):
            read(tmp_path / "absent.mp4")
        for name in ("cut.mp4", "empty.mp4", "text.mp4"):
            with pytest.raises(ValueError, match=f"{name} cannot be read as a video .* convert it"):
                read(tmp_path / name)


def test_a_stream_without_frames_is_refused(tmp_path):
    write(tmp_path / "a.mp4", scene(3))
    forget(tmp_path / "a.mp4")
    content = (tmp_path / "a.mp4").read_bytes()
    end = content.index(b"mdat") + 4
    (tmp_path / "a.mp4").write_bytes(content[:end])  # the index, and nothing it points at
    for read in (video_reading.probe, lambda path: next(video_reading.read_frames(path))):
        with pytest.raises(ValueError, match="a.mp4 holds no video frame; give a clip"):
            read(tmp_path / "a.mp4")


def test_reading_is_lazy(tmp_path):
    write(tmp_path / "a.mp4", scene(200))
    frames = video_reading.read_frames(tmp_path / "a.mp4")
    assert next(frames).index == 0
    frames.close()  # releases the file although 199 frames are left


@pytest.mark.parametrize(
    ("name", "shape", "rate", "count", "has_audio"),
    [
        ("driving-eyes-smile.mp4", (512, 512, 3), 25, 78, False),
        ("driving-talk-with-audio.mp4", (480, 480, 3), 30, 216, True),
    ],
)
def test_real_clips_are_read_whole(name, shape, rate, count, has_audio):
    if not (MEDIA / name).exists():
        pytest.skip(f"the sample clip {name} is not here")
    info = video_reading.probe(MEDIA / name)
    frames = list(video_reading.read_frames(MEDIA / name))
    assert (info.rate, info.frames, info.has_audio) == (rate, count, has_audio)
    assert len(frames) == count and frames[-1].image.shape == shape
    assert frames[-1].time_s == pytest.approx((count - 1) / rate, abs=1e-3)


def test_frames_are_picked_by_their_numbers(tmp_path):
    write(tmp_path / "a.mp4", scene())
    everything = list(video_reading.read_frames(tmp_path / "a.mp4"))
    picked = list(video_reading.frames_at(tmp_path / "a.mp4", [7, 2]))
    assert [frame.index for frame in picked] == [2, 7]
    assert all((frame.image == everything[frame.index].image).all() for frame in picked)
    assert not list(video_reading.frames_at(tmp_path / "a.mp4", []))
