"""Photos of every kind become upright 8-bit RGB."""

import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms

from d2a_core.media import images
from d2a_core.media.photos import read_photo


@pytest.fixture
def ramp():
    """Grey levels rising to the right, a red block top left: u1 [96, 128, 3]."""
    picture = np.repeat(np.tile(np.arange(128, dtype=np.uint8) * 2, (96, 1))[..., None], 3, axis=2)
    picture[:24, :32] = [200, 30, 40]
    return picture


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(tmp_path, ramp, orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(ramp)
    image = image.transpose(undo[orientation]) if orientation in undo else image
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "i.png", exif=exif)
    photo = read_photo(tmp_path / "i.png")
    np.testing.assert_array_equal(photo.image, ramp)
    assert bool(photo.notes) == (orientation != 1)


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb_of_the_same_colours(tmp_path, ramp, mode):
    flat = np.where(ramp > 127, 255, 0).astype(np.uint8) if mode == "1" else ramp
    grey = mode in ("L", "1", "LA")
    expected = np.repeat(flat[..., 1:2], 3, axis=2) if grey else flat
    path = tmp_path / ("i.jpg" if mode in ("CMYK", "YCbCr") else "i.png")
    image = Image.fromarray(expected)
    image = image.quantize(256) if mode == "P" else image.convert(mode)
    image.save(path, **({"quality": 100} if path.suffix == ".jpg" else {}))
    image = read_photo(path).image
    assert image.dtype == np.uint8 and image.shape == ramp.shape
    assert np.abs(image.astype(int) - expected).mean() < 4


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path, ramp):
    Image.fromarray(ramp[..., 1].astype(np.uint16) * 257).save(tmp_path / "i.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "i.png").image[..., 0], ramp[..., 1])


def test_what_is_transparent_takes_the_median_colour_of_the_rest(tmp_path):
    pixels = np.zeros((80, 100, 4), np.uint8)  # black behind the transparency
    pixels[:, 60:] = [10, 200, 90, 255]
    Image.fromarray(pixels).save(tmp_path / "i.png")
    photo = read_photo(tmp_path / "i.png")
    assert (photo.image == [10, 200, 90]).all()
    assert "transparent" in photo.notes[0]


def test_a_transparent_palette_is_laid_on_its_colours(tmp_path):
    image = Image.new("P", (80, 80), 1)
    image.putpalette([0, 0, 0, 250, 120, 10])
    image.paste(0, (0, 0, 30, 80))
    image.save(tmp_path / "i.gif", transparency=0)
    assert (read_photo(tmp_path / "i.gif").image == [250, 120, 10]).all()


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_of_an_animation_the_first_picture_is_used(tmp_path, suffix):
    frames = [Image.new("RGB", (80, 64), colour) for colour in ("#c86432", "#0000ff", "#00ff00")]
    path = tmp_path / f"i{suffix}"
    lossless = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **lossless)
    photo = read_photo(path)
    assert (photo.image == [0xC8, 0x64, 0x32]).all()
    assert "animated; the first of its 3 pictures" in photo.notes[0]


def test_an_embedded_profile_is_applied(tmp_path):
    Image.new("RGB", (80, 80), (120, 60, 30)).save(
        tmp_path / "i.png", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    assert np.abs(read_photo(tmp_path / "i.png").image - [120.0, 60, 30]).max() <= 1
    Image.new("RGB", (80, 80), (120, 60, 30)).save(tmp_path / "i.png", icc_profile=b"no profile" * 20)
    photo = read_photo(tmp_path / "i.png")
    assert (photo.image == [120, 60, 30]).all() and "profile" in photo.notes[0]


def test_a_photo_that_is_large_but_allowed_is_read_without_a_warning(tmp_path, monkeypatch, ramp):
    images.write_image(ramp, tmp_path / "i.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", ramp.shape[0] * ramp.shape[1] - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_photo(tmp_path / "i.png").image.shape == ramp.shape


def test_a_heic_photo_is_read_where_the_plug_in_is_installed(tmp_path, ramp):
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    pillow_heif.from_pillow(Image.fromarray(ramp)).save(tmp_path / "i.heic", quality=90)
    image = read_photo(tmp_path / "i.heic").image
    assert np.abs(image.astype(int) - ramp).mean() < 6
