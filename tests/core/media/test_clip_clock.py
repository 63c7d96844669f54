"""Every picture of a clip is shown, at its time, whatever the stamps of its packets are like."""

import numpy as np
import pytest
from odd_clips import RATE, joined, mux, number_of, packets

from d2a_core.media import video_reading
from d2a_core.media.clip_clock import Clock, Span, Stamp, timeline

OPEN = {"bf": "2"}


def camcorder(folder, **options):
    """A transport stream whose packets lack every second time stamp, its clock at 41.4 s."""
    return mux(folder / "a.ts", packets(60, **options), start_s=41.4, together=2)


def from_the_middle(folder):
    """A recording of a camera that was running: its first pictures refer to what is not there."""
    whole = mux(folder / "whole.ts", packets(40, **OPEN)).read_bytes()
    (folder / "a.ts").write_bytes(whole[whole.index(b"\x47", len(whole) // 8 // 188 * 188) :])
    return folder / "a.ts"


def twice(folder, name="a.ts", gap_s=0.0, codec="libx264", **options):
    """Two recordings of 30 pictures, one behind the other; the second's clock starts `gap_s` later."""
    parts = []
    for first in (0, 30):
        encoded = packets(30, codec, first=first, **options)
        parts.append(mux(folder / f"{first} {name}", encoded, codec, start_s=1.4 + gap_s * (first > 0)))
    return joined(folder / name, *parts)


def pairs(number, shown_s, decoded_s):
    """Stamps of which each pair has the first one's."""
    return shown_s - number % 2 / RATE, decoded_s / 100 - 1


def leaping(number, shown_s, decoded_s):
    leap_s = 90000 * (number > 29)
    return shown_s + leap_s, decoded_s + leap_s


def elementary(folder, codec, name, **options):
    """Pictures without any container."""
    (folder / name).write_bytes(b"".join(bytes(packet) for packet in packets(60, codec, **options)))
    return folder / name


def jittery(number, shown_s, decoded_s):
    wobble = 0.004 * (number % 3 - 1)
    return shown_s + wobble, decoded_s + wobble


MADE = {  # name → (number of pictures that must be shown, or which, how the clip is made)
    "every second stamp": (60, camcorder),
    "every second stamp, B-frames": (60, lambda folder: camcorder(folder, **OPEN)),
    "one stamp in three": (60, lambda folder: mux(folder / "a.ts", packets(60), start_s=5.0, together=3)),
    "one stamp in four, 25 Hz": (
        60,
        lambda folder: mux(folder / "a.ts", packets(60, rate=25), rate=25, together=4, start_s=9.0),
    ),
    "HEVC, every second stamp": (
        60,
        lambda folder: mux(folder / "a.ts", packets(60, "libx265"), "libx265", start_s=41.4, together=2),
    ),
    "MPEG-2, every second stamp": (
        60,
        lambda folder: mux(
            folder / "a.ts", packets(60, "mpeg2video"), "mpeg2video", start_s=41.4, together=2
        ),
    ),
    "interlaced": (
        60,
        lambda folder: mux(folder / "a.ts", packets(60, "libx264", **{"x264-params": "tff=1"}), together=2),
    ),
    "joined": (60, twice),
    "joined, B-frames": (60, lambda folder: twice(folder, **OPEN)),
    "joined, MPEG-2": (60, lambda folder: twice(folder, codec="mpeg2video")),
    "joined, Matroska": (60, lambda folder: twice(folder, "a.mkv", **OPEN)),
    "joined, WebM": (60, lambda folder: twice(folder, "a.webm", codec="libvpx-vp9")),
    "joined, the second of half the stamps": (60, lambda folder: joined(
        folder / "a.ts",
        mux(folder / "1.ts", packets(30)),
        mux(folder / "2.ts", packets(30, first=30), together=2),
    )),
    "the same three times": (
        [*range(20)] * 3,
        lambda folder: joined(folder / "a.ts", *[mux(folder / "1.ts", packets(20))] * 3),
    ),
    "no stamps, MJPEG": (60, lambda folder: elementary(folder, "mjpeg", "a.mjpeg", form="yuvj420p")),
    "over the end of a 33-bit clock": (
        60, lambda folder: mux(folder / "a.ts", packets(60), start_s=2**33 / 90000 - 1)
    ),
    "joined, an hour apart": (60, lambda folder: twice(folder, gap_s=3600.0)),
    "joined, the second half a second earlier": (60, lambda folder: twice(folder, gap_s=-0.5)),
    "joined, MPEG program streams": (60, lambda folder: twice(folder, "a.mpg", codec="mpeg2video")),
    "three, each of four pictures": (12, lambda folder: joined(
        folder / "a.ts", *(mux(folder / f"{first}.ts", packets(4, first=first)) for first in (0, 4, 8))
    )),
    "a clock that leaps ahead": (
        60,
        lambda folder: mux(folder / "a.mkv", packets(60, bf="0"), restamp=leaping),
    ),
    "stamps in pairs": (60, lambda folder: mux(folder / "a.mkv", packets(60, bf="0"), restamp=pairs)),
    "all stamps the same": (
        30,
        lambda folder: mux(folder / "a.avi", packets(30, "mjpeg", form="yuvj420p"), "mjpeg", form="yuvj420p"),
    ),
    "no stamps, H.264": (60, lambda folder: elementary(folder, "libx264", "a.h264")),
    "no stamps, H.264 with B-frames": (60, lambda folder: elementary(folder, "libx264", "a.264", **OPEN)),
    "no stamps, HEVC": (60, lambda folder: elementary(folder, "libx265", "a.hevc")),
    "no stamps, MPEG-2": (60, lambda folder: elementary(folder, "mpeg2video", "a.m2v")),
    "no stamps, MPEG-4": (60, lambda folder: elementary(folder, "mpeg4", "a.m4v")),
    "before zero": (
        60, lambda folder: mux(folder / "a.mkv", packets(60), restamp=lambda n, s, d: (s - 0.5, d - 0.5))
    ),
    "before zero, which an mp4 cuts off": (
        range(15, 60), lambda folder: mux(folder / "a.mp4", packets(60, **OPEN), start_s=-0.5)
    ),
    "from 41.4 s, mp4": (60, lambda folder: mux(folder / "a.mp4", packets(60, **OPEN), start_s=41.4)),
    "fragments": (
        60,
        lambda folder: mux(folder / "a.mp4", packets(60, **OPEN), movflags="frag_keyframe+empty_moov"),
    ),
    "jitter": (60, lambda folder: mux(folder / "a.mkv", packets(60), restamp=jittery)),
    "flash": (60, lambda folder: mux(folder / "a.flv", packets(60, **OPEN))),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_every_picture_is_shown_once_and_in_order(tmp_path, name):
    numbers, make = MADE[name]
    numbers = list(range(numbers) if isinstance(numbers, int) else numbers)
    path = make(tmp_path)
    info, frames = video_reading.probe(path), list(video_reading.read_frames(path))
    assert info.frames == len(frames)
    assert [number_of(frame.image) for frame in frames] == numbers
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(len(numbers)) / float(info.rate))


def test_a_recording_that_starts_in_the_middle_shows_what_can_be_decoded(tmp_path):
    path = from_the_middle(tmp_path)
    info, frames = video_reading.probe(path), list(video_reading.read_frames(path))
    numbers = [number_of(frame.image) for frame in frames]
    assert info.frames == len(frames)
    assert 0 < numbers[0] <= 10 and numbers == list(range(numbers[0], 40))


def test_a_clock_that_jumps_is_said(tmp_path):
    (note,) = video_reading.probe(twice(tmp_path)).notes
    assert "a.ts has a clock that jumps (1×); what follows comes right behind what was" in note


def test_a_pause_within_a_recording_stays_a_pause(tmp_path):
    def pausing(number, shown_s, decoded_s):
        return shown_s + (number > 29), decoded_s + (number > 29)

    path = mux(tmp_path / "a.mkv", packets(60, bf="0"), restamp=pausing)
    numbers = [number_of(frame.image) for frame in video_reading.read_frames(path)]
    assert len(numbers) == 90 and [numbers.count(number) for number in (28, 29, 30, 31)] == [1, 16, 16, 1]


def test_a_single_stray_stamp_costs_no_picture():
    steps = np.arange(50) / 25
    stamps = [Stamp(90000.0 if number == 20 else step, step, 0.04) for number, step in enumerate(steps)]
    time = timeline(stamps, 0.0, [])
    assert (time.rate, time.frames) == (25, 50)
    clock = time.clock()
    found = [clock.at(stamp.shown_s) for stamp in stamps]
    np.testing.assert_allclose(found, steps, atol=1e-9)


@pytest.mark.parametrize("stamps", [[], [Stamp(None, None, 0.0)], [Stamp(1.0, 1.0, 0.04)]])
def test_a_clip_of_one_picture_or_of_no_stamp_has_one_frame(stamps):
    assert timeline(stamps, None, []).frames == 1


def test_hidden_pictures_of_old_webm_do_not_lengthen_a_clip():
    steps = np.repeat(np.arange(100) / 25, np.where(np.arange(100) % 20 == 5, 2, 1))
    time = timeline([Stamp(step, None, 0.04) for step in steps], 0.0, [])
    assert (time.rate, time.frames) == (25, 100)


def test_sound_that_starts_earlier_stays_in_step_behind_a_joint():
    clock = Clock([Span(10.0, 12.0, -10.0), Span(500.0, 503.0, -498.0)], 0.04, of_sound=True)
    assert [clock.at(raw) for raw in (9.8, 10.0, 11.9, 499.95, 500.0)] == pytest.approx(
        [-0.2, 0, 1.9, 1.95, 2.0]
    )
    assert clock.at(501.0) == pytest.approx(3.0)
