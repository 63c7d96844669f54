"""Of a clip that is damaged or incomplete what is there is shown, and what is not is said."""

import logging

import numpy as np
import pytest
from odd_clips import mux, number_of, overwritten, packets, spans_of

from d2a_core.media import video_reading

FAST = "faststart"


@pytest.fixture
def whole(tmp_path):
    """100 pictures, ten of them key frames, the index first."""
    return mux(tmp_path / "whole.mp4", packets(100), movflags=FAST)


def shown(path):
    frames = list(video_reading.read_frames(path))
    assert video_reading.probe(path).frames == len(frames)
    return [number_of(frame.image) for frame in frames]


def test_zeros_in_the_middle_cost_the_pictures_there_and_no_more(tmp_path, whole, caplog):
    path = overwritten(tmp_path / "a.mp4", whole, 0.45, 0.65)
    (note,) = video_reading.probe(path).notes
    lost = int(note.split("damaged: ")[1].split()[0])
    assert 15 <= lost <= 25 and "of its 100 frames cannot be used" in note
    with caplog.at_level(logging.WARNING):
        numbers = shown(path)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: {lost} frames are damaged, others stand in for them"
    ]
    assert len(numbers) == 100 and numbers[:40] == list(range(40)) and numbers[70:] == list(range(70, 100))


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4", "mjpeg", "libsvtav1"])
@pytest.mark.parametrize("content", [b"\0", b"\xff", bytes(range(256))])
def test_damage_of_any_kind_costs_neither_length_nor_the_rest(tmp_path, codec, content):
    form = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoded = packets(60, codec, form=form)
    whole = mux(tmp_path / "whole.mp4", encoded, codec, form=form, movflags=FAST)
    numbers = shown(overwritten(tmp_path / "a.mp4", whole, 0.5, 0.6, content))
    assert len(numbers) == 60 and numbers[:18] == list(range(18)) and numbers[-10:] == list(range(50, 60))


@pytest.mark.parametrize("suffix", ["mkv", "ts", "avi"])
def test_zeros_in_other_containers(tmp_path, suffix):
    whole = mux(tmp_path / f"whole.{suffix}", packets(60, bf="0"))
    numbers = shown(overwritten(tmp_path / f"a.{suffix}", whole, 0.5, 0.6))
    assert numbers[:20] == list(range(20)) and numbers[-5:] == list(range(55, 60))
    assert 50 <= len(numbers) <= 61


def test_a_copy_that_broke_off_is_used_as_far_as_it_goes(tmp_path, whole):
    (position, _), content = spans_of(whole)[61], whole.read_bytes()
    (tmp_path / "a.mp4").write_bytes(content[:position])
    (note,) = video_reading.probe(tmp_path / "a.mp4").notes
    assert "is incomplete: the last 39 of its frames are missing; what is there is used" in note
    assert shown(tmp_path / "a.mp4") == list(range(61))


@pytest.mark.parametrize("suffix", ["mkv", "ts", "avi", "flv"])
def test_other_containers_that_broke_off_are_used_as_far_as_they_go(tmp_path, suffix):
    content = mux(tmp_path / f"whole.{suffix}", packets(60, bf="0")).read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(content[: len(content) * 2 // 3])
    numbers = shown(tmp_path / f"a.{suffix}")
    assert numbers[:34] == list(range(34)) and len(numbers) < 46


def test_zeros_at_the_start_and_at_the_end(tmp_path, whole):
    first, last = spans_of(whole)[0][0], len(whole.read_bytes())
    start = overwritten(tmp_path / "start.mp4", whole, first / last, first / last + 0.05)
    numbers = shown(start)
    assert numbers[-85:] == list(range(15, 100))
    numbers = shown(overwritten(tmp_path / "end.mp4", whole, 0.9, 1.0))
    assert len(numbers) == 100 and numbers[:85] == list(range(85)) and numbers[-1] < 95


def test_a_clip_of_which_little_is_left_is_refused_at_once(tmp_path, whole):
    first, last = spans_of(whole)[2][0], len(whole.read_bytes())
    path = overwritten(tmp_path / "a.mp4", whole, first / last, 1.0)
    for read in (video_reading.probe, lambda path: next(video_reading.read_frames(path))):
        with pytest.raises(ValueError, match="a.mp4 is damaged, 9[789] of its 100 frames; copy or download"):
            read(path)


def test_a_whole_clip_has_no_note(whole):
    assert video_reading.probe(whole).notes == ()
    np.testing.assert_array_equal(shown(whole), np.arange(100))
