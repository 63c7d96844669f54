"""Clips as people have them: any container and size, turned, of variable rate, damaged, or no clip at all."""

import struct
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from d2a_core.media import video_reading, video_writing

COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40]])


def quarters(height, width):
    """Red, green above blue, yellow: tells every turn and mirror image apart."""
    image = np.zeros((height, width, 3), np.uint8)
    for number, colour in enumerate(COLOURS):
        rows = slice(0, height // 2) if number < 2 else slice(height // 2, None)
        columns = slice(0, width // 2) if number % 2 == 0 else slice(width // 2, None)
        image[rows, columns] = colour
    return image


def write_clip(path, codec, form="yuv420p", *, stamps=range(10), clock=10, size=(64, 96), rate=10, **options):
    """Frames of rising brightness at `stamps` / `clock` seconds, with the four colours."""
    height, width = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options.get("codec_options", {}))
        stream.width, stream.height, stream.pix_fmt = width, height, form
        stream.codec_context.time_base = Fraction(1, clock)
        if "rotation" in options:
            stream.set_display_rotation(-options["rotation"])
        if "ratio" in options:
            stream.codec_context.sample_aspect_ratio = options["ratio"]
        for number, stamp in enumerate(stamps):
            image = (quarters(height, width) * (0.6 + 0.04 * min(number, 10))).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=form)
            frame.pts, frame.time_base = stamp, Fraction(1, clock)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def assert_four_colours(image, colours=COLOURS, *, share=0.6, slack=25):
    height, width = image.shape[:2]
    for number, colour in enumerate(colours):
        y, x = (number // 2 * 2 + 1) * height // 4, (number % 2 * 2 + 1) * width // 4
        np.testing.assert_allclose(image[y, x], colour * share, atol=slack)


def test_every_kind_of_clip_is_read(tmp_path):
    kinds = [
        ("h264.mp4", "libx264", "yuv420p"),
        ("ten bits.mp4", "libx265", "yuv420p10le"),
        ("h264 ten bits 4:2:2.mkv", "libx264", "yuv422p10le"),
        ("vp9.webm", "libvpx-vp9", "yuv420p"),
        ("mjpeg.avi", "mjpeg", "yuvj420p"),
        ("prores.mov", "prores_ks", "yuv422p10le"),
        ("lossless.mkv", "ffv1", "bgr0"),
        ("alpha.mov", "prores_ks", "yuva444p10le"),
        ("old.avi", "mpeg4", "yuv420p"),
        ("stream.ts", "libx264", "yuv420p"),
        ("animation.gif", "gif", "rgb8"),
        ("Grüße, 100%d: 日本 '\".mp4", "libx264", "yuv420p"),
    ]
    for name, codec, form in kinds:
        if codec not in av.codecs_available:
            continue
        path = write_clip(tmp_path / name, codec, form)
        info, frames = video_reading.probe(path), list(video_reading.read_frames(path))
        assert (info.width, info.height, info.rate, info.frames) == (96, 64, 10, 10), name
        assert [frame.index for frame in frames] == list(range(10)), name
        np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(10) / 10, atol=1e-6)
        assert_four_colours(frames[0].image, slack=70 if codec == "gif" else 25)
        assert frames[9].image.mean() > 1.3 * frames[0].image.mean(), name


@pytest.mark.parametrize("size", [(63, 95), (64, 95), (63, 96), (2, 2), (96, 34)])
def test_odd_and_portrait_sizes_are_read(tmp_path, size):
    path = write_clip(tmp_path / "a.mkv", "ffv1", "yuv444p", size=size)
    assert (video_reading.probe(path).height, video_reading.probe(path).width) == size
    assert next(video_reading.read_frames(path)).image.shape == (*size, 3)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_a_telephone_held_in_any_way_gives_an_upright_picture(tmp_path, turn, name):
    path = write_clip(tmp_path / name, "libx264", rotation=turn)
    turned = np.rot90(COLOURS.reshape(2, 2, 3), -turn // 90).reshape(4, 3)
    image = next(video_reading.read_frames(path)).image
    assert image.shape[:2] == ((96, 64) if turn in (90, 270) else (64, 96))
    assert video_reading.probe(path).rotation == turn
    assert (video_reading.probe(path).height, video_reading.probe(path).width) == image.shape[:2]
    assert_four_colours(image, turned)


@pytest.mark.parametrize("turn", [0, 90])
def test_wide_pixels_become_square(tmp_path, turn):
    path = write_clip(tmp_path / "a.mp4", "libx264", ratio=Fraction(4, 3), rotation=turn)
    image = next(video_reading.read_frames(path)).image
    assert image.shape[:2] == ((128, 64) if turn else (64, 128))
    assert (video_reading.probe(path).height, video_reading.probe(path).width) == image.shape[:2]


@pytest.mark.parametrize("sides", [(1, 256), (256, 1)])
def test_pixels_of_a_shape_that_no_camera_has_count_as_square(tmp_path, sides):
    path = write_clip(tmp_path / "a.mp4", "libx264", ratio=Fraction(4, 3))
    head, told, rest = path.read_bytes().partition(b"pasp" + struct.pack(">II", 4, 3))
    path.write_bytes(head + told[:4] + struct.pack(">II", *sides) + rest)
    assert [frame.image.shape for frame in video_reading.read_frames(path)] == [(64, 96, 3)] * 10
    assert (video_reading.probe(path).height, video_reading.probe(path).width) == (64, 96)


@pytest.mark.parametrize("seconds", [61, 683 * 1000, 2**31 - 1])
def test_frames_that_last_minutes_or_years_have_a_clock_that_tells_nothing(tmp_path, seconds):
    path = write_clip(tmp_path / "a.avi", "mjpeg", "yuvj420p")
    head, kind, rest = path.read_bytes().partition(b"vids")
    path.write_bytes(head + kind + rest[:16] + struct.pack("<II", seconds, 1) + rest[24:])  # scale and rate
    info, frames = video_reading.probe(path), list(video_reading.read_frames(path))
    assert (info.frames, info.rate, len(frames)) == (10, 25, 10)
    assert info.notes == (f"{path} has no likely rate; its frames follow one another, 25 a second",)
    brightness = [frame.image.mean() for frame in frames]
    assert np.all(np.diff(brightness) > 0)


def test_a_variable_rate_keeps_time_and_length(tmp_path):
    rng = np.random.default_rng(1)
    kept = np.sort(rng.choice(120, 70, replace=False))
    stamps = (kept - kept[0]) * 1000 // 30 + rng.integers(0, 4, 70) * (kept > kept[0])
    path = write_clip(tmp_path / "a.mkv", "libx264", stamps=stamps.tolist(), clock=1000, rate=30)
    info, frames = video_reading.probe(path), list(video_reading.read_frames(path))
    assert info.rate == 30 and info.frames == len(frames)
    assert abs(len(frames) / 30 - (stamps[-1] / 1000 + 1 / 30)) <= 1 / 30
    raw = [frame.to_ndarray(format="rgb24") for frame in av.open(str(path)).decode(video=0)]
    for frame in frames:  # each is the one nearest in time
        nearest = np.abs(stamps / 1000 - frame.time_s)
        allowed = np.flatnonzero(nearest <= nearest.min() + 2e-3)
        assert any(np.array_equal(frame.image, raw[number]) for number in allowed)


def test_a_gif_holds_its_last_picture_as_long_as_it_says(tmp_path):
    pictures = [Image.fromarray(quarters(64, 96) // (1 + number)) for number in range(3)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[100, 300, 1000])
    means = [frame.image.mean() for frame in video_reading.read_frames(tmp_path / "a.gif")]
    rate = float(video_reading.probe(tmp_path / "a.gif").rate)
    changes = np.flatnonzero(np.abs(np.diff(means)) > 1) + 1
    np.testing.assert_allclose(changes / rate, [0.1, 0.4], atol=1 / rate)
    assert len(means) / rate == pytest.approx(1.4, abs=1 / rate)


def test_a_clock_that_does_not_start_at_zero_does(tmp_path):
    path = write_clip(tmp_path / "a.mkv", "libx264", stamps=range(70, 80))
    assert [frame.time_s for frame in video_reading.read_frames(path)] == pytest.approx(np.arange(10) / 10)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a %03d.png", "a.webp", "a.bmp"])
def test_a_picture_is_a_clip_of_one_frame(tmp_path, name):
    Image.fromarray(quarters(64, 96)).save(tmp_path / name)
    for number in range(3):  # which `a %03d.png` must not mean
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"a {number:03d}.png")
    assert video_reading.probe(tmp_path / name).frames == 1
    (frame,) = video_reading.read_frames(tmp_path / name)
    assert_four_colours(frame.image, share=1)


def test_a_picture_that_changes_its_shape_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for height, width in ((64, 96), (96, 64)):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
            encoder.time_base = Fraction(1, 10)
            frame = av.VideoFrame.from_ndarray(quarters(height, width), format="rgb24")
            for packet in encoder.encode(frame.reformat(format="yuvj420p")):
                packet.stream, packet.pts = stream, 0 if height == 64 else 1
                packet.dts, packet.time_base = packet.pts, Fraction(1, 10)
                container.mux(packet)
    with pytest.raises(ValueError, match="a.avi turns from 96×64 into 64×96 on the way; cut it there"):
        list(video_reading.read_frames(tmp_path / "a.avi"))


def bad_inputs(folder):
    """Name → file that is no usable clip."""
    whole = write_clip(folder / "whole.mp4", "libx264", stamps=range(60)).read_bytes()
    video_writing.write_frames(
        [quarters(64, 96)] * 60, folder / "index first.mp4", rate=Fraction(10), metadata={}
    )
    ready = (folder / "index first.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with av.open(str(folder / "index first.mp4")) as container:
        fourth = container.streams.video[0].index_entries[3].pos
    (folder / "little left.mp4").write_bytes(ready[:fourth])
    (folder / "no frames.mp4").write_bytes(ready[: ready.index(b"mdat") + 4])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video at all\n" * 50)
    (folder / "notes.txt").write_text("no video at all\n" * 50)
    (folder / "noise.mkv").write_bytes(np.random.default_rng(0).bytes(5000))
    (folder / "folder.mp4").mkdir()
    (folder / "playlist.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    (folder / "subtitles.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    for name in ("sound.m4a", "sound with cover.mp3"):
        with av.open(str(folder / name), "w") as container:
            track = container.add_stream(
                "aac" if name.endswith("m4a") else "libmp3lame", rate=8000, layout="mono"
            )
            if "cover" in name:
                cover = container.add_stream("mjpeg", rate=1)
                cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
                cover.disposition = av.stream.Disposition.attached_pic
                picture = av.VideoFrame.from_ndarray(quarters(64, 96), format="rgb24")
                container.mux(cover.encode(picture.reformat(format="yuvj420p")))
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
            samples.sample_rate = 8000
            container.mux([*track.encode(samples), *track.encode()])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent.mp4", "does not exist; give the path of a video file"),
        ("folder.mp4", "is a folder; give the path of a video file"),
        ("cut.mp4", "cannot be read as a video .*; convert it to an mp4"),
        ("little left.mp4", "ends before its last frame; copy or download it again"),
        ("no frames.mp4", "holds no video frame; give a clip"),
        ("empty.mp4", "cannot be read as a video .*; convert it to an mp4"),
        ("text.mp4", "cannot be read as a video .*; convert it to an mp4"),
        ("notes.txt", "is a text; give a clip"),
        ("noise.mkv", "cannot be read as a video .*; convert it to an mp4"),
        ("playlist.m3u8", "cannot be read as a video .*; convert it to an mp4"),
        ("subtitles.srt", "has no video stream; give a clip"),
        ("sound.m4a", "has no video stream; give a clip"),
        ("sound with cover.mp3", "has no video stream; give a clip"),
    ],
)
def test_what_is_no_clip_is_refused_in_one_sentence(tmp_path_factory, name, words):
    folder = tmp_path_factory.getbasetemp() / "bad clips"
    if not folder.exists():
        folder.mkdir()
        bad_inputs(folder)
    for read in (video_reading.probe, lambda path: list(video_reading.read_frames(path))):
        with pytest.raises(ValueError, match=words) as caught:
            read(folder / name)
        assert str(caught.value).startswith(str(folder / name)) and "\n" not in str(caught.value)


PEAK = """
import resource, sys
from d2a_core.media import video_reading, video_writing
info = video_reading.probe(sys.argv[1])
images = (frame.image for frame in video_reading.read_frames(sys.argv[1]))
video_writing.write_frames(images, sys.argv[2], rate=info.rate, metadata={}, audio=sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = []
    for times in (1, 4, 16):
        path = tmp_path / f"{times}.mp4"
        write_clip(path, "libx264", stamps=range(60 * times), size=(240, 320))
        command = [sys.executable, "-c", PEAK, str(path), str(tmp_path / "copy.mp4")]
        peaks.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert max(peaks) - peaks[0] < 20, peaks  # MiB; the 900 frames more are 198


@pytest.mark.parametrize("suffix", ["avi", "mkv", "mp4"])
def test_a_title_in_an_old_alphabet_costs_no_clip(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Grüße"
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(quarters(64, 96), format="rgb24").reformat(format="yuvj420p")
        container.mux([*stream.encode(frame), *stream.encode()])
    path.write_bytes(path.read_bytes().replace("Grüße".encode(), "Gr\xfc\xdfe..".encode("latin-1")))
    assert video_reading.probe(path).metadata["title"].startswith("Gr")
    video_writing.write_frames(
        [quarters(64, 96)], tmp_path / "b.mp4", rate=Fraction(10), metadata={}, audio=path
    )
