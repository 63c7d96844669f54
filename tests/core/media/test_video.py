import os
import platform
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from d2a_core.media import video_reading, video_writing

MEDIA = Path(__file__).parents[4] / "shared" / "media"
NTSC = Fraction(30000, 1001)
QUARTER_CLOCKWISE = (0, 1, 0, -1, 0, 0, 0, 0, 16384)  # (x, y) → (-y, x), ISO 14496-12, 8.3.2


def scene(count=12, height=64, width=96):
    """A soft gradient with a soft light that moves 5 px a frame to the right."""
    y, x = np.mgrid[:height, :width]
    back = np.stack([2 * x, 3 * y, x + y], axis=-1)
    lights = [np.exp(-((x - 20 - 5 * t) ** 2 + (y - 30) ** 2) / 100) for t in range(count)]
    frames = [back + light[..., None] * (200 - back) for light in lights]
    return np.array(frames, dtype=np.uint8).reshape(-1, height, width, 3)


def write(path, frames, rate=Fraction(25), metadata=None, **options):
    with video_writing.VideoWriter(path, rate=rate, metadata=metadata or {}, **options) as writer:
        for frame in frames:
            writer.write(frame)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc fills memory when asked to")
def test_a_small_video_is_the_same_whatever_its_memory_held_before(tmp_path):
    script = """
import sys
from fractions import Fraction
import numpy as np
from d2a_core.media import video_writing
y, x = np.mgrid[:64, :64]
frames = (np.stack([2 * x + 9 * t, 3 * y, x + y], axis=-1).astype(np.uint8) for t in range(8))
video_writing.write_frames(frames, sys.argv[1], rate=Fraction(25), metadata={})
"""
    for fill in ("1", "77", "200"):
        command = [sys.executable, "-c", script, str(tmp_path / f"{fill}.mp4")]
        subprocess.run(command, env=os.environ | {"MALLOC_PERTURB_": fill}, check=True)
    assert len({path.read_bytes() for path in tmp_path.glob("*.mp4")}) == 1


def psnr(one, other):
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


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


def test_stream_is_high_profile_and_says_bt709(tmp_path):
    write(tmp_path / "a.mp4", scene(3))
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        next(container.decode(video=0))
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
        tags = (context.color_primaries, context.color_trc, context.colorspace)
        assert tags == (1, 1, 1) and context.color_range == 1  # limited


def test_colours_are_converted_by_bt709(tmp_path):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (120, 60, 200)]
    for number, colour in enumerate(colours):
        path = tmp_path / f"{number}.mp4"
        write(path, np.full((2, 32, 32, 3), colour, np.uint8), crf=1)
        with av.open(str(path)) as container:
            planes = next(container.decode(video=0)).to_ndarray()
        red, green, blue = np.array(colour) / 255
        luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # ITU-R BT.709-6, 3.2
        assert planes[:32].mean() == pytest.approx(16 + 219 * luma, abs=1.0)
        chroma = 128 + 224 * (blue - luma) / 1.8556
        assert planes[32:40].mean() == pytest.approx(chroma, abs=1.0)
        image = next(video_reading.read_frames(path)).image
        np.testing.assert_allclose(image.mean(axis=(0, 1)), colour, atol=3)


def test_the_index_stands_before_the_frames(tmp_path):
    write(tmp_path / "a.mp4", scene())
    content = (tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write(tmp_path / name, scene(40), rate=NTSC, metadata={"title": "x"})
    content = (tmp_path / "a.mp4").read_bytes()
    assert (tmp_path / "b.mp4").read_bytes() == content and b"Lavf" not in content


def test_a_lower_crf_is_closer_and_larger(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    for crf in (5, 40):
        write(tmp_path / f"{crf}.mp4", noise, crf=crf)
    fine, coarse = (next(video_reading.read_frames(tmp_path / f"{crf}.mp4")).image for crf in (5, 40))
    assert psnr(fine, noise[0]) > psnr(coarse, noise[0]) + 1
    assert (tmp_path / "5.mp4").stat().st_size > 2 * (tmp_path / "40.mp4").stat().st_size


@pytest.mark.parametrize("written", [0, 8])
def test_an_exception_leaves_no_file(tmp_path, written):
    class Interrupted(BaseException):
        pass

    with pytest.raises(Interrupted):
        with video_writing.VideoWriter(tmp_path / "a.mp4", rate=Fraction(25), metadata={}) as writer:
            for frame in scene(written):
                writer.write(frame)
            raise Interrupted
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_file_has_another_name_and_does_not_play(tmp_path):
    with video_writing.VideoWriter(tmp_path / "a.mp4", rate=Fraction(25), metadata={}, threads=1) as writer:
        for frame in scene(70):
            writer.write(frame)
        (part,) = tmp_path.iterdir()  # what a killed process would leave
        assert part.name.startswith(".")
        with pytest.raises(ValueError, match="cannot be read as a video"):
            video_reading.probe(part)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.mp4.manifest.json", "a.mp4"]


def test_an_exception_keeps_the_older_video(tmp_path):
    write(tmp_path / "a.mp4", scene(5))
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises(ZeroDivisionError):
        video_writing.write_frames((1 / 0 for _ in "a"), tmp_path / "a.mp4", rate=NTSC, metadata={})
    assert (tmp_path / "a.mp4").read_bytes() == before


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frame to write to .*a.mp4; give at least one"),
        ([np.zeros((64, 63, 3), np.uint8)], "even sides, not 63×64; scale"),
        ([np.zeros((63, 64, 3), np.uint8)], "even sides, not 64×63; scale"),
        ([*scene(1), np.zeros((64, 64, 3), np.uint8)], "frame 1 is 64×64 but the first was 96×64"),
    ],
)
def test_frames_that_make_no_video_are_refused(tmp_path, frames, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "a.mp4", frames)
    assert list(tmp_path.iterdir()) == []


def test_metadata_that_mp4_would_drop_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no field for the metadata seed; use title, comment"):
        write(tmp_path / "a.mp4", scene(1), metadata={"title": "x", "seed": "1"})


def test_a_rate_of_zero_is_refused(tmp_path):
    with pytest.raises(ValueError, match="0 frames a second is no rate"):
        write(tmp_path / "a.mp4", scene(1), rate=Fraction(0))


def test_write_frames_streams_and_counts(tmp_path):
    class Counter:
        done = 0

        def advance(self, n):
            self.done += n

    counter, frames = Counter(), iter(scene(5))
    video_writing.write_frames(frames, tmp_path / "a.mp4", rate=NTSC, metadata={}, progress=counter)
    assert counter.done == 5 and video_reading.probe(tmp_path / "a.mp4").frames == 5


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


def test_provenance_is_metadata_that_survives(tmp_path):
    facts = {"created_by": "d2animator", "version": "1.2", "generator": "g", "seed": 3}
    write(tmp_path / "a.mp4", scene(1), metadata=video_writing.provenance(facts))
    found = video_reading.probe(tmp_path / "a.mp4").metadata
    assert found == video_writing.provenance(facts)
    assert found["comment"].startswith("Synthetic: no camera recorded this.")
    assert "d2animator 1.2 with the generator g" in found["comment"]
    assert '"synthetic": true' in found["description"] and '"seed": 3' in found["description"]


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
