"""HEIC photos of telephones are read whole: not one tile of them, turned as the file says."""

import heif_files
import numpy as np
import pytest
from PIL import Image

from d2a_core.media import photos, video_reading

PLACED = [  # turns against the clock, then the mirror's axis
    (0, None),
    (1, None),
    (2, None),
    (3, None),
    (0, 0),
    (0, 1),
    (1, 1),
    (3, 0),
]


@pytest.fixture(scope="module")
def ramp():
    """Levels that tell every place and direction apart: u1 [150, 200, 3]."""
    y, x = np.mgrid[:150, :200]
    return np.stack([x, y, (x + y) // 2], axis=-1).astype(np.uint8)


def placed(image, turns, mirror):
    image = np.rot90(image, turns)
    return image if mirror is None else image[:, ::-1] if mirror else image[::-1]


@pytest.mark.parametrize(("turns", "mirror"), PLACED)
@pytest.mark.parametrize("tile", [None, 64, 128])
def test_a_heic_photo_is_whole_and_upright(tmp_path, ramp, tile, turns, mirror):
    path = heif_files.write(tmp_path / "a.heic", ramp, tile=tile, turns=turns, mirror=mirror)
    image, expected = photos.read_photo(path).image, placed(ramp, turns, mirror)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 2.5


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("tile", [None, 64])
def test_an_avif_photo_is_whole_and_upright(tmp_path, ramp, tile, turns):
    path = heif_files.write(
        tmp_path / "a.avif", ramp, tile=tile, turns=turns, coded=heif_files.av1, brand=b"avif"
    )
    image, expected = photos.read_photo(path).image, placed(ramp, turns, None)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 2.5


@pytest.mark.parametrize("coded", [heif_files.hevc, heif_files.av1])
def test_a_grid_that_drives_is_a_clip_of_one_whole_picture(tmp_path, ramp, coded):
    brand = b"heic" if coded is heif_files.hevc else b"avif"
    path = heif_files.write(tmp_path / "a.mp4", ramp, tile=64, coded=coded, brand=brand)
    (frame,) = video_reading.read_frames(path)
    np.testing.assert_array_equal(frame.image, photos.read_photo(path).image)
    assert frame.image.shape == ramp.shape


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_a_heic_photo_that_broke_off_is_one_sentence(tmp_path, ramp, share):
    path = heif_files.write(tmp_path / "a.heic", ramp, tile=64)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match="a HEIC photo that is damaged or unusual") as caught:
        photos.read_photo(path)
    assert str(caught.value).startswith(f"{path} cannot be used as a photo") and "\n" not in str(caught.value)


def test_a_heic_photo_whose_items_are_the_whole_file_many_times_ends_at_once(tmp_path, ramp):
    path = heif_files.write(tmp_path / "a.heic", ramp, tile=64)
    data = bytearray(path.read_bytes())
    place = data.index(b"iloc")
    data[place + 8 : place + 10] = b"\0\0"  # no offset, no length: all that follows
    data[place + 16 : place + 18] = b"\xff\xff"  # extents of the first item
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged or unusual, its items are"):
        photos.read_photo(path)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_a_grid_that_lacks_tiles_is_refused(tmp_path, ramp, columns):
    path = heif_files.write(tmp_path / "a.heic", ramp, tile=64)
    data = path.read_bytes()
    path.write_bytes(data[:-5] + bytes([columns]) + data[-4:])  # of 3 × 4, in the last item
    with pytest.raises(ValueError, match=f"it has 12 tiles in place of {3 * (columns + 1)}"):
        photos.read_photo(path)


def test_a_heic_photo_larger_than_allowed_is_not_decoded(tmp_path, ramp, monkeypatch):
    path = heif_files.write(tmp_path / "a.heic", ramp, tile=64)
    monkeypatch.setattr(photos, "MAX_PIXELS", 150 * 200 - 1)
    with pytest.raises(ValueError, match="too many to decode; scale it down"):
        photos.read_photo(path)


def test_the_colour_profile_of_a_heic_photo_is_applied(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        photos, "_to_srgb", lambda image, profile, path: (seen.append(profile), (image, ()))[1]
    )
    grey = np.full((64, 64, 3), 90, np.uint8)
    path = heif_files.write(tmp_path / "a.heic", grey, profile=b"a profile")
    assert Image.fromarray(photos.read_photo(path).image).size == (64, 64) and seen == [b"a profile"]
