"""Interlaced clips of camcorders: no comb, no frame more or less, every picture at its own time."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.codec.context import Flags
from av.video.reformatter import ColorRange
from odd_clips import joined

from d2a_core.media import video_reading

WIDTH, HEIGHT, RATE, COUNT = 96, 64, 25, 12
DARK, BRIGHT = 40, 220
STEP, BAR = 3, 12  # px: what a bar moves from field to field, and its width


def left(moment):
    """Where the bar begins at a moment, counted in fields."""
    return 10 + STEP * moment


def moment_of(moment, size=(WIDTH, HEIGHT)):
    """The scene at a moment: an upright bar that moves to the right."""
    image = np.full((size[1], size[0], 3), DARK, np.uint8)
    image[:, left(moment) : left(moment) + BAR] = BRIGHT
    return image


def woven(number, *, top_first, size=(WIDTH, HEIGHT)):
    """A frame of two fields; the lines of the second one are half a frame later."""
    image, later = moment_of(2 * number, size), moment_of(2 * number + 1, size)
    lines = slice(1 if top_first else 0, None, 2)
    image[lines] = later[lines]
    return image


def record(path, codec, frames, *, order=None, first=0, **options):
    """Write frames; `order` tff or bff marks them as interlaced."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        stream.bit_rate = 4_000_000
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = ColorRange.MPEG
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=stream.width, height=stream.height, format="yuv420p", time_base=Fraction(1, RATE)
        )
        graph.link_nodes(source, graph.add("setfield", order or "prog"), graph.add("buffersink")).configure()
        if order:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=1
            )
            frame.pts, frame.time_base = first + number, Fraction(1, RATE)
            frame.colorspace = 1
            graph.push(frame)
            container.mux(stream.encode(graph.pull()))
        container.mux(stream.encode())
    return path


def comb(image):
    """How far a line differs from those above and below; the scene has no detail of this kind."""
    lines = image.astype(float).mean(axis=2)
    return np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).max()


def bar_of(image):
    """The middle of the bar in px."""
    return np.flatnonzero(image[HEIGHT // 2].mean(axis=1) > (DARK + BRIGHT) / 2).mean()


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ts", "mpeg2video"), ("a.mkv", "mpeg2video"), ("a.mp4", "libx264"), ("a.ts", "libx264")],
)
def test_a_moving_bar_has_no_comb_and_is_where_the_earlier_field_shows_it(tmp_path, name, codec, order):
    frames = [woven(number, top_first=order == "tff") for number in range(COUNT)]
    assert min(map(comb, frames)) > 100
    path = record(tmp_path / name, codec, frames, order=order)
    info, found = video_reading.probe(path), list(video_reading.read_frames(path))
    assert (info.frames, info.rate, len(found)) == (COUNT, RATE, COUNT)
    assert f"{path} is interlaced" in info.notes[0] and len(info.notes) == 1
    assert max(comb(frame.image) for frame in found) < 12
    middles = [left(2 * number) + (BAR - 1) / 2 for number in range(COUNT)]
    np.testing.assert_allclose([bar_of(frame.image) for frame in found], middles, atol=0.6)
    np.testing.assert_allclose([frame.time_s for frame in found], np.arange(COUNT) / RATE, atol=1e-9)


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_what_stands_still_keeps_every_line_and_its_colours(tmp_path, codec):
    waves = (130 + 50 * np.sin(np.arange(HEIGHT) * 2 * np.pi / 12)).astype(np.uint8)
    still = np.tile(waves[:, None, None], (1, WIDTH, 3))
    still[:, WIDTH // 2 :] = 180, 120, 90
    path = record(tmp_path / "a.mkv", codec, [still] * COUNT, order="tff")
    for frame in video_reading.read_frames(path):
        assert np.abs(frame.image.astype(int) - still).mean() < 3
        assert np.abs(frame.image[8:-8, 8:40].astype(int) - still[8:-8, 8:40]).max() < 10
        np.testing.assert_allclose(frame.image[32, 80], (180, 120, 90), atol=5)


def test_frames_that_do_not_say_so_are_left_as_they_are(tmp_path):
    frames = [woven(number, top_first=True) for number in range(COUNT)]
    path = record(tmp_path / "a.mkv", "ffv1", frames)
    assert video_reading.probe(path).notes == ()
    for frame, drawn in zip(video_reading.read_frames(path), frames, strict=True):
        assert comb(frame.image) == pytest.approx(comb(drawn), abs=3)


@pytest.mark.parametrize("orders", [("tff", "bff"), (None, "tff"), ("tff", None)])
def test_recordings_of_two_orders_behind_one_another_lose_no_frame(tmp_path, orders):
    parts = [
        record(
            tmp_path / f"{number}.ts",
            "mpeg2video",
            [
                woven(each, top_first=order == "tff") if order else moment_of(2 * each)
                for each in range(COUNT)
            ],
            order=order,
        )
        for number, order in enumerate(orders)
    ]
    path = joined(tmp_path / "joined.ts", *parts)
    found = list(video_reading.read_frames(path))
    assert video_reading.probe(path).frames == len(found) == 2 * COUNT
    assert max(comb(frame.image) for frame in found) < 12
    middles = [left(2 * number) + (BAR - 1) / 2 for number in [*range(COUNT), *range(COUNT)]]
    np.testing.assert_allclose([bar_of(frame.image) for frame in found], middles, atol=0.6)


def test_where_the_size_changes_midway_there_is_no_comb_either(tmp_path):
    sizes = [(WIDTH, HEIGHT), (2 * WIDTH, 2 * HEIGHT), (WIDTH, HEIGHT)]
    parts = [
        record(
            tmp_path / f"{number}.ts",
            "mpeg2video",
            [woven(each, top_first=True, size=size) for each in range(5)],
            order="tff",
        )
        for number, size in enumerate(sizes)
    ]
    path = joined(tmp_path / "joined.ts", *parts)
    found = list(video_reading.read_frames(path))
    assert video_reading.probe(path).frames == len(found) == 15
    assert max(comb(frame.image) for frame in found) < 12
    last = [left(2 * number) + (BAR - 1) / 2 for number in range(5)]
    np.testing.assert_allclose([bar_of(frame.image) for frame in found[10:]], last, atol=0.6)


def test_a_clip_of_two_frames_is_whole(tmp_path):
    path = record(tmp_path / "a.mkv", "mpeg2video", [woven(n, top_first=True) for n in range(2)], order="tff")
    found = list(video_reading.read_frames(path))
    assert video_reading.probe(path).frames == len(found) == 2
    assert max(comb(frame.image) for frame in found) < 12
