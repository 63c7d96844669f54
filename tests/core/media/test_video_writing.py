"""What a written mp4 holds: bytes, colours, metadata, and nothing after a mistake."""

import os
import platform
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from counting import Count
from made_videos import NTSC, psnr, scene, write

from d2a_core.media import video_reading, video_writing


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
    counter, frames = Count(), iter(scene(5))
    video_writing.write_frames(frames, tmp_path / "a.mp4", rate=NTSC, metadata={}, progress=counter)
    assert counter.done == 5 and video_reading.probe(tmp_path / "a.mp4").frames == 5


def test_provenance_is_metadata_that_survives(tmp_path):
    facts = {"created_by": "d2animator", "version": "1.2", "generator": "g", "seed": 3}
    write(tmp_path / "a.mp4", scene(1), metadata=video_writing.provenance(facts))
    found = video_reading.probe(tmp_path / "a.mp4").metadata
    assert found == video_writing.provenance(facts)
    assert found["comment"].startswith("Synthetic: no camera recorded this.")
    assert "d2animator 1.2 with the generator g" in found["comment"]
    assert '"synthetic": true' in found["description"] and '"seed": 3' in found["description"]
