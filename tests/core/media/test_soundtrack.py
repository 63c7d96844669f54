"""Sound stays in step: a beep and a flash of the driver coincide in the result as they did there."""

from fractions import Fraction

import av
import numpy as np
import pytest

from d2a_core.media import video_reading, video_writing

SECONDS, RATE = 2.0, 25
EVENT_S = 1.2  # flash and beep, on the driver's clock, in its frame 30
FRAME_S = 1 / RATE
FAULTS = {  # of a packet of sound
    "ones": lambda data: b"\xff" * len(data),
    "zeros": lambda data: bytes(len(data)),
    "begins too early": lambda data: (bytes(4) + data)[: len(data)],
}


def flashes():
    """Dark frames, but for one that is white."""
    frames = np.full((round(SECONDS * RATE), 48, 64, 3), 20, np.uint8)
    frames[round(EVENT_S * RATE)] = 235
    return frames


def sound(sample_rate, start_s):
    """Silence from `start_s` on, with 50 ms of 1 kHz at the event, [1, samples] s2."""
    time = start_s + np.arange(round((SECONDS - start_s) * sample_rate)) / sample_rate
    beep = (time >= EVENT_S) & (time < EVENT_S + 0.05)
    return (20000 * beep * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)[None]


def make_driver(
    path, codec, *, video_codec="libx264", video_start_s=0.0, sound_start_s=0.0, sample_rate=48000
):
    """A clip whose streams start at the given times of its clock."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video_codec, rate=RATE)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        track = container.add_stream(codec, rate=sample_rate, layout="mono")
        packets = []
        for number, image in enumerate(flashes()):
            if number * FRAME_S < video_start_s:
                continue
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            packets += pictures.encode(frame)
        packets += pictures.encode()
        samples = av.AudioFrame.from_ndarray(sound(sample_rate, sound_start_s), "s16", "mono")
        samples.sample_rate, samples.time_base = sample_rate, Fraction(1, sample_rate)
        samples.pts = round(sound_start_s * sample_rate)
        resampler = av.AudioResampler(
            track.codec_context.format, "mono", sample_rate, track.frame_size or 1024
        )
        for chunk in [*resampler.resample(samples), *resampler.resample(None)]:
            packets += track.encode(chunk)
        packets += track.encode()
        container.mux(sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)))


def result_of(driver, path, **options):
    info = video_reading.probe(driver)
    images = (frame.image for frame in video_reading.read_frames(driver))
    video_writing.write_frames(images, path, rate=info.rate, metadata={}, audio=driver, **options)
    return path


def offset_s(path):
    """Seconds by which the beep of a clip comes after its flash."""
    with av.open(str(path)) as container:
        flash = next(f.time for f in container.decode(video=0) if f.to_ndarray(format="gray").mean() > 120)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().astype(float)
            samples = samples / (
                32768 if frame.format.name.startswith("s16") else 2**31 if "s32" in frame.format.name else 1
            )
            loud = np.flatnonzero(np.abs(samples).max(axis=0) > 0.2)
            if len(loud):
                step = 1 if frame.format.is_planar else frame.layout.nb_channels
                return frame.time + loud[0] / step / frame.sample_rate - flash
    raise AssertionError("no beep")


def sound_codec(path):
    with av.open(str(path)) as container:
        return [stream.codec_context.codec.canonical_name for stream in container.streams.audio]


@pytest.mark.parametrize(
    ("name", "codec", "kept"),
    [
        ("a.mp4", "aac", "aac"),
        ("a.mp4", "libmp3lame", "mp3"),
        ("a.mov", "alac", "alac"),
        ("a.mkv", "ac3", "ac3"),
        ("a.ts", "aac", "aac"),
        ("a.mkv", "libopus", "aac"),
        ("a.mov", "pcm_s16le", "aac"),
        ("a.mkv", "flac", "aac"),
    ],
)
def test_beep_and_flash_still_coincide(tmp_path, name, codec, kept):
    make_driver(tmp_path / name, codec)
    result = result_of(tmp_path / name, tmp_path / "result.mp4")
    assert sound_codec(result) == [kept]
    assert abs(offset_s(result)) <= FRAME_S
    assert abs(offset_s(result) - offset_s(tmp_path / name)) < 0.005


@pytest.mark.parametrize("codec", ["aac", "libopus"])
@pytest.mark.parametrize(("video_start_s", "sound_start_s"), [(0.0, 0.7), (0.4, 0.0), (0.4, 0.2), (0.6, 0.8)])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_streams_that_start_apart_stay_in_step(tmp_path, suffix, codec, video_start_s, sound_start_s):
    driver = tmp_path / f"driver{suffix}"
    make_driver(driver, codec, video_start_s=video_start_s, sound_start_s=sound_start_s)
    result = result_of(driver, tmp_path / "result.mp4")
    assert abs(offset_s(result)) <= FRAME_S
    assert video_reading.probe(result).frames == video_reading.probe(driver).frames


def test_a_rate_that_aac_does_not_know_is_resampled(tmp_path):
    make_driver(tmp_path / "a.mkv", "pcm_s16le", sample_rate=5000)
    assert abs(offset_s(result_of(tmp_path / "a.mkv", tmp_path / "b.mp4"))) <= FRAME_S


@pytest.mark.parametrize("codec", ["aac", "flac"])
def test_the_sound_ends_with_the_pictures(tmp_path, codec):
    make_driver(tmp_path / "a.mkv", codec)
    video_writing.write_frames(
        flashes()[:40], tmp_path / "b.mp4", rate=Fraction(RATE), metadata={}, audio=tmp_path / "a.mkv"
    )
    with av.open(str(tmp_path / "b.mp4")) as container:
        track = container.streams.audio[0]
        assert float(track.duration * track.time_base) == pytest.approx(1.6, abs=FRAME_S)
        assert container.streams.video[0].frames == 40


@pytest.mark.parametrize("codec", ["aac", "flac"])
def test_the_same_sound_gives_the_same_packets_at_the_same_times(tmp_path, codec):
    make_driver(tmp_path / "a.mkv", codec)
    packets = []
    for name in ("1.mp4", "2.mp4"):
        path = result_of(tmp_path / "a.mkv", tmp_path / name)
        assert b"Lavf" not in path.read_bytes()
        with av.open(str(path)) as container:
            packets.append([(packet.pts, bytes(packet)) for packet in container.demux(audio=0)])
    assert packets[0] == packets[1] and len(packets[0]) > 50


def test_without_sound_there_is_none(tmp_path):
    make_driver(tmp_path / "a.mkv", "aac")
    silent = tmp_path / "silent.mp4"
    video_writing.write_frames(flashes(), silent, rate=Fraction(RATE), metadata={}, audio=None)
    assert sound_codec(silent) == []
    assert sound_codec(result_of(silent, tmp_path / "b.mp4")) == []


@pytest.mark.parametrize("codec", ["libopus", "aac", "ac3", "libmp3lame"])
@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_sound_does_not_cost_the_video(tmp_path, codec, fault):
    make_driver(tmp_path / "whole.mkv", codec)
    with av.open(str(tmp_path / "whole.mkv")) as whole, av.open(str(tmp_path / "a.mkv"), "w") as damaged:
        streams = [damaged.add_stream_from_template(stream, opaque=True) for stream in whole.streams]
        for number, packet in enumerate(packet for packet in whole.demux() if packet.size):
            if packet.stream.type == "audio" and 20 < number < 40:
                packet.update(FAULTS[fault](bytes(packet)))
            packet.stream = streams[packet.stream.index]
            damaged.mux(packet)
    result = result_of(tmp_path / "a.mkv", tmp_path / "b.mp4")
    assert video_reading.probe(result).frames == len(flashes())


def test_a_failure_leaves_nothing_behind(tmp_path):
    make_driver(tmp_path / "a.mkv", "aac")
    with pytest.raises(ZeroDivisionError):
        with video_writing.VideoWriter(
            tmp_path / "b.mp4", rate=Fraction(25), metadata={}, audio=tmp_path / "a.mkv"
        ) as writer:
            writer.write(flashes()[0])
            raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def samples_of(path):
    """The sound of a clip as one channel of floats, and its sample rate."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]), rate


def test_in_slow_motion_the_sound_stays_in_step_and_keeps_its_pitch(tmp_path):
    driver = tmp_path / "driver.mp4"
    make_driver(driver, "aac")
    frames = (frame.image for frame in video_reading.read_frames(driver) for _ in range(4))
    slow = tmp_path / "slow.mp4"
    video_writing.write_frames(frames, slow, rate=Fraction(RATE), metadata={}, audio=driver, slow_motion=4.0)
    assert abs(offset_s(slow)) < 0.1  # a fortieth of a second of the driver
    samples, rate = samples_of(slow)
    assert len(samples) / rate == pytest.approx(4 * SECONDS, abs=0.2)  # the filter drops a bit of the end
    loud = np.flatnonzero(np.abs(samples) > 0.2)
    assert (loud[-1] - loud[0]) / rate == pytest.approx(4 * 0.05, abs=0.08)
    beep = samples[loud[0] : loud[-1]]
    pitch = np.argmax(np.abs(np.fft.rfft(beep))) * rate / len(beep)
    assert pitch == pytest.approx(1000, rel=0.02)


def _transport_stream(path, layout, offset):
    """A second and a half of video and a loud tone, as a transport stream that begins at `offset` s."""
    with av.open(str(path), "w", format="mpegts") as container:
        pictures = container.add_stream("libx264", rate=RATE)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        track = container.add_stream("ac3", rate=48000, layout=layout)
        packets = []
        for number in range(38):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number + round(offset * RATE), Fraction(1, RATE)
            packets += pictures.encode(frame)
        packets += pictures.encode()
        tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(72000) / 48000).astype(np.float32)
        planes = np.stack([tone] * (1 if layout == "mono" else 2))
        samples = av.AudioFrame.from_ndarray(planes, "fltp", layout)
        samples.sample_rate, samples.time_base = 48000, Fraction(1, 48000)
        samples.pts = round(offset * 48000)
        resampler = av.AudioResampler("fltp", layout, 48000, track.frame_size)
        for chunk in [*resampler.resample(samples), *resampler.resample(None)]:
            packets += track.encode(chunk)
        packets += track.encode()
        container.mux(sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)))


def _loudness(path):
    """Mean square of the sound in each quarter of a second."""
    with av.open(str(path)) as container:
        parts = [(frame.time, frame.to_ndarray().astype(float)) for frame in container.decode(audio=0)]
    rows = {}
    for time, samples in parts:
        rows.setdefault(int(4 * time), []).append(np.square(samples).mean())
    return [float(np.mean(values)) for _, values in sorted(rows.items())]


@pytest.mark.parametrize("options", [{}, {"slow_motion": 2.0}])
def test_sound_whose_channels_change_midway_goes_on(tmp_path, options):
    _transport_stream(tmp_path / "a.ts", "stereo", 0.0)
    _transport_stream(tmp_path / "b.ts", "mono", 1.52)
    joined = tmp_path / "joined.ts"
    joined.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    result = result_of(joined, tmp_path / "out.mp4", **options)
    info = video_reading.probe(result)
    assert info.has_audio
    loud = _loudness(result)
    assert len(loud) > 4 * info.duration_s - 3
    assert min(loud[1:-2]) > 0.05  # the tone has 0.125, before and after the change


def test_a_track_that_nobody_can_decode_is_passed_over(tmp_path, caplog):
    driver = tmp_path / "driver.mp4"
    make_driver(driver, "aac")
    data = driver.read_bytes()
    assert data.count(b"mp4a") == data.count(b"esds") == 1
    unknown = data.replace(b"mp4a", b"apac").replace(b"esds", b"free")  # a name without a decoder
    (tmp_path / "spatial.mp4").write_bytes(unknown)
    assert not video_reading.probe(tmp_path / "spatial.mp4").has_audio
    result = result_of(tmp_path / "spatial.mp4", tmp_path / "out.mp4")
    info = video_reading.probe(result)
    assert (info.has_audio, info.frames) == (False, len(flashes()))
    assert "spatial.mp4 cannot be decoded; the video is silent" in caplog.text


@pytest.mark.parametrize("codec", ["mp2", "aac", "ac3"])
def test_a_track_that_was_announced_and_never_came_leaves_the_video_silent(tmp_path, codec, caplog):
    make_driver(tmp_path / "whole.ts", codec)
    with av.open(str(tmp_path / "whole.ts")) as whole, av.open(str(tmp_path / "a.ts"), "w") as mute:
        streams = [mute.add_stream_from_template(stream) for stream in whole.streams]
        for packet in whole.demux():
            if packet.size and packet.stream.type == "video":
                packet.stream = streams[packet.stream.index]
                mute.mux(packet)
    assert not video_reading.probe(tmp_path / "a.ts").has_audio
    info = video_reading.probe(result_of(tmp_path / "a.ts", tmp_path / "out.mp4"))
    assert (info.has_audio, info.frames) == (False, len(flashes()))
    assert "a.ts cannot be decoded; the video is silent" in caplog.text


@pytest.mark.parametrize("codec", ["aac", "mp2"])
def test_of_two_recordings_in_one_file_both_sounds_are_heard_in_step(tmp_path, codec):
    make_driver(tmp_path / "one.ts", codec)
    (tmp_path / "two.ts").write_bytes((tmp_path / "one.ts").read_bytes() * 2)
    path = result_of(tmp_path / "two.ts", tmp_path / "result.mp4")
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="gray").mean() > 120 for frame in container.decode(video=0)]
    flashes_s = np.flatnonzero(pictures) * FRAME_S
    assert len(pictures) == 2 * SECONDS * RATE
    np.testing.assert_allclose(flashes_s, [EVENT_S, SECONDS + EVENT_S], atol=1e-6)
    loud_s = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(float)).max(axis=0)
            loud_s += (frame.time + np.flatnonzero(samples > 0.2) / frame.sample_rate).tolist()
    starts_s = [
        time_s for time_s, before in zip(loud_s, [-1, *loud_s], strict=False) if time_s - before > 0.5
    ]
    np.testing.assert_allclose(starts_s, flashes_s, atol=0.06)
