"""Pictures that move are clips: animated ones of every format, and folders of numbered ones."""

import logging

import numpy as np
import pytest
from odd_clips import number_of, numbered
from PIL import Image

from d2a_core.media import photos, video_reading

LASTS_MS = [100, 200, 100, 300]
TICKS = [0, 1, 2, 2, 3, 3, 3]  # of 0.1 s; half way between two the later one is next


def animate(path, numbers=range(4), **options):
    pictures = [Image.fromarray(numbered(number)) for number in numbers]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=LASTS_MS, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.webp", {"lossless": True}),
        ("lossy.webp", {"quality": 90}),
        ("a.avif", {"quality": 90}),
        ("a.apng", {"format": "PNG"}),
        ("a.png", {}),
        ("a.gif", {}),
        ("called.mp4", {"format": "WEBP"}),
        ("called.jpg", {"format": "AVIF"}),
        ("without a suffix", {"format": "GIF"}),
    ],
)
def test_an_animated_picture_is_a_clip_that_keeps_time(tmp_path, name, options):
    path = animate(tmp_path / name, **options)
    info, frames = video_reading.probe(path), list(video_reading.read_frames(path))
    assert (info.frames, info.rate, info.width, info.height) == (7, 10, 96, 64)
    assert [number_of(frame.image) for frame in frames] == TICKS
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(7) / 10)
    assert video_reading.sound_clock(path) is None


def test_what_is_transparent_in_an_animation_is_white(tmp_path):
    pictures = [Image.new("RGBA", (96, 64), (0, 0, 0, 0)) for _ in range(3)]
    for number, picture in enumerate(pictures):
        picture.paste((200, 0, 0, 255), (0, 0, 20 + 10 * number, 64))
    pictures[0].save(
        tmp_path / "a.avif", save_all=True, append_images=pictures[1:], duration=100, quality=100
    )
    frames = [frame.image for frame in video_reading.read_frames(tmp_path / "a.avif")]
    shown = [image[32, 35] for image in frames]
    np.testing.assert_allclose(shown, [(255, 255, 255), (255, 255, 255), (200, 0, 0)], atol=8)


def test_pictures_that_are_to_last_no_time_are_shown_as_browsers_do(tmp_path):
    pictures = [Image.fromarray(numbered(number)) for number in range(3)]
    pictures[0].save(
        tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=0, lossless=True
    )
    assert video_reading.probe(tmp_path / "a.webp").duration_s == pytest.approx(0.3)


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_an_animation_that_broke_off_is_used_as_far_as_it_goes(tmp_path, suffix):
    whole = animate(tmp_path / f"whole.{suffix}", quality=90)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(whole.read_bytes()[: int(0.8 * whole.stat().st_size)])
    try:
        numbers = [number_of(frame.image) for frame in video_reading.read_frames(path)]
    except ValueError as error:
        assert "a." in str(error) and "\n" not in str(error)
    else:
        assert numbers[0] == 0 and video_reading.probe(path).frames == len(numbers)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "avif"])
def test_a_folder_of_numbered_pictures_is_a_clip(tmp_path, suffix):
    folder = tmp_path / "walk"
    folder.mkdir()
    for number in range(12):
        Image.fromarray(numbered(number)).save(folder / f"frame{number}.{suffix}")
    (folder / "notes1.txt").write_text("no picture")
    Image.fromarray(numbered(99)).save(folder / ".hidden7.png")
    Image.fromarray(numbered(99)).save(folder / "cover.png")
    info = video_reading.probe(folder)
    frames = list(video_reading.read_frames(folder))
    assert (info.frames, info.rate, info.width, info.height) == (12, 25, 96, 64)
    assert [number_of(frame.image) for frame in frames] == list(range(12))  # 2 before 10
    assert "its 12 pictures are shown at 25 a second" in info.notes[0]


def test_a_damaged_picture_in_a_folder_is_left_out_and_counted(tmp_path, caplog):
    for number in range(6):
        Image.fromarray(numbered(number)).save(tmp_path / f"{number}.png")
    whole = (tmp_path / "3.png").read_bytes()
    (tmp_path / "3.png").write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING):
        numbers = [number_of(frame.image) for frame in video_reading.read_frames(tmp_path)]
    assert len(numbers) == 6 == video_reading.probe(tmp_path).frames
    assert numbers in ([0, 1, 2, 2, 4, 5], [0, 1, 2, 4, 4, 5])
    assert caplog.records[-1].getMessage() == f"{tmp_path}: 1 pictures are damaged, others stand in for them"


@pytest.mark.parametrize("number", [0, 5])
def test_a_damaged_picture_at_an_end_is_stood_in_for(tmp_path, number):
    for each in range(6):
        Image.fromarray(numbered(each)).save(tmp_path / f"{each}.png")
    (tmp_path / f"{number}.png").write_bytes((tmp_path / f"{number}.png").read_bytes()[:400])
    numbers = [number_of(frame.image) for frame in video_reading.read_frames(tmp_path)]
    assert numbers == ([1, 1, 2, 3, 4, 5] if number == 0 else [0, 1, 2, 3, 4, 4])
    assert video_reading.probe(tmp_path).frames == 6


def test_pictures_of_a_folder_have_one_shape(tmp_path):
    for number, size in enumerate([(96, 64), (192, 128)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    assert {frame.image.shape for frame in video_reading.read_frames(tmp_path)} == {(64, 96, 3)}
    Image.new("RGB", (64, 96)).save(tmp_path / "2.png")
    with pytest.raises(ValueError, match="turns from 96×64 into 64×96 on the way; leave such pictures out"):
        list(video_reading.read_frames(tmp_path))


def test_a_folder_without_numbered_pictures_is_no_clip(tmp_path):
    Image.new("RGB", (96, 64)).save(tmp_path / "me.png")
    with pytest.raises(ValueError, match="is a folder; give"):
        video_reading.probe(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif", "bmp", "ppm", "jp2", "tga"])
def test_a_still_picture_is_a_clip_of_one_frame_the_way_a_photo_is_read(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    picture = Image.fromarray(numbered(77))
    exif = picture.getexif()
    exif[0x0112] = 6
    turned = suffix in ("jpg", "png", "webp", "avif", "tif")
    picture.save(path, **({"exif": exif} if turned else {}))
    (frame,) = video_reading.read_frames(path)
    np.testing.assert_array_equal(frame.image, photos.read_photo(path).image)
    assert number_of(np.rot90(frame.image, turned)) == 77
    assert (video_reading.probe(path).height, video_reading.probe(path).width) == frame.image.shape[:2]
