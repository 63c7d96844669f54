"""Photos of every kind become upright 8-bit RGB."""

import struct
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


def _exif(*entries, header=b"II*\0\x08\0\0\0"):
    """An EXIF block whose entries are (tag, type, count, four bytes of value)."""
    packed = [struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries]
    return b"Exif\0\0" + header + struct.pack("<H", len(entries)) + b"".join(packed) + bytes(4)


ORIENTATION, SHORT, ASCII, RATIONAL = 0x0112, 3, 2, 5
BROKEN = {
    "no header": _exif(header=bytes(8)),
    "cut off": _exif((ORIENTATION, SHORT, 1, b"\6\0\0\0"))[:12],
    "a table beyond the end": _exif(header=b"II*\0" + struct.pack("<I", 9999)),
    "a value beyond the end": _exif((ORIENTATION, RATIONAL, 1, struct.pack("<I", 9999))),
}


WRITABLE = [(kind, suffix) for kind in BROKEN for suffix in ("jpg", "webp", "png")]
WRITABLE += [(kind, "avif") for kind in BROKEN if "beyond" in kind]  # Pillow reads the rest as it writes


@pytest.mark.parametrize(("kind", "suffix"), WRITABLE)
def test_a_photo_with_a_broken_exif_block_is_used_as_it_lies(tmp_path, ramp, kind, suffix):
    path = tmp_path / f"i.{suffix}"
    image = Image.fromarray(ramp)
    image.save(path)
    plain = read_photo(path)
    with warnings.catch_warnings(action="ignore"):
        image.save(path, exif=BROKEN[kind])
    with warnings.catch_warnings(action="error"):
        photo, pixels = read_photo(path), images.read_image(path)
    np.testing.assert_array_equal(photo.image, plain.image)
    assert photo.notes == (f"the EXIF block of {path} is damaged, so the picture is used as it lies",)
    np.testing.assert_array_equal(pixels, plain.image)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png", "tif"])
@pytest.mark.parametrize(("value", "said"), [(0, False), (1, False), (9, True), (99, True)])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, ramp, value, said, suffix):
    exif = _exif((ORIENTATION, SHORT, 1, struct.pack("<HH", value, 0)))
    Image.fromarray(ramp).save(tmp_path / f"i.{suffix}", exif=exif)
    photo = read_photo(tmp_path / f"i.{suffix}")
    assert photo.image.shape == ramp.shape
    assert [f"unknown orientation ({value})" in note for note in photo.notes] == [True] * said


def test_a_fault_elsewhere_in_exif_keeps_the_orientation(tmp_path, ramp):
    details = (0x8769, 4, 1, struct.pack("<I", 99999))  # a table that lies nowhere
    exif = _exif((ORIENTATION, SHORT, 1, b"\6\0\0\0"), details)
    Image.fromarray(ramp).save(tmp_path / "i.webp", exif=exif, lossless=True)
    photo = read_photo(tmp_path / "i.webp")
    np.testing.assert_array_equal(photo.image, np.rot90(ramp, -1))
    assert photo.notes == (f"{tmp_path / 'i.webp'} was turned upright as its camera noted",)


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
