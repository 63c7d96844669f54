from fractions import Fraction

import numpy as np
import pytest

from d2a_core import io, video

RATE = Fraction(30000, 1001)


def _frames(count, size=64):
    """Smooth pictures in which a bright disc moves to the right."""
    y, x = np.mgrid[:size, :size] / size
    for index in range(count):
        disc = np.exp(-((x - 0.2 - 0.05 * index) ** 2 + (y - 0.5) ** 2) / 0.02)
        yield np.stack((60 + 150 * disc, 60 + 100 * x, 200 - 120 * disc), axis=-1).astype(np.uint8)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    facts = io.provenance(generator="g", generator_sha256="abc")
    video.write_frames(_frames(10), path, rate=RATE, metadata=video.provenance(facts))
    return path


def test_round_trip_keeps_frames_rate_and_provenance(clip):
    info = video.probe(clip)
    assert (info.width, info.height, info.rate, info.frames) == (64, 64, RATE, 10)
    assert "Synthetic" in info.metadata["comment"] and info.metadata["generator_sha256"] == "abc"
    decoded = list(video.read_frames(clip))
    assert [frame.index for frame in decoded] == list(range(10))
    assert decoded[3].time_s == pytest.approx(3 / float(RATE), abs=1e-4)
    for frame, original in zip(decoded, _frames(10), strict=True):
        error = np.square(frame.image.astype(float) - original).mean()
        assert 10 * np.log10(255**2 / error) > 35


def test_colours_survive(tmp_path):
    path = tmp_path / "red.mp4"
    red = np.full((64, 64, 3), (200, 30, 40), np.uint8)
    video.write_frames([red] * 3, path, rate=Fraction(25), metadata={}, crf=4)
    decoded = next(video.read_frames(path)).image.reshape(-1, 3).mean(axis=0)
    assert decoded == pytest.approx([200, 30, 40], abs=4)


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        video.write_frames(_frames(6), tmp_path / name, rate=RATE, metadata={"title": "x"})
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_an_interrupted_job_leaves_no_playable_half(tmp_path):
    def broken():
        yield from _frames(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        video.write_frames(broken(), tmp_path / "clip.mp4", rate=RATE, metadata={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("frames", "words"),
    [([], "no frame to write"), ([np.zeros((63, 64, 3), np.uint8)], "even sides, not 64×63")],
)
def test_frames_that_cannot_be_encoded_are_one_sentence(tmp_path, frames, words):
    with pytest.raises(ValueError, match=words):
        video.write_frames(frames, tmp_path / "clip.mp4", rate=RATE, metadata={})
    assert list(tmp_path.iterdir()) == []


def test_unreadable_files_are_one_sentence(tmp_path, clip):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:400])
    for name, words in [("none.mp4", "does not exist"), ("text.mp4", "cannot be read"), ("cut.mp4", "mp4")]:
        with pytest.raises(ValueError, match=words):
            list(video.read_frames(tmp_path / name))


def test_sound_alone_is_no_clip(tmp_path):
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(ValueError, match="no video stream"):
        video.probe(path)
