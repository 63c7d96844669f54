"""Colours of a clip or photo are those that it says: computed here anew from the standards."""

import io
from fractions import Fraction
from functools import partial

import av
import heif_files
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc
from PIL import Image, ImageCms

from d2a_core.media import colours, photos, video_reading

WEIGHTS = {  # of red and blue in luma, ISO 23091-2
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
HLG, PQ = ColorTrc.ARIB_STD_B67, ColorTrc.SMPTE2084
CODES = [(81, 90, 200), (150, 60, 110), (60, 170, 120), (120, 128, 128), (180, 140, 150)]
XY = {  # of red, green, blue
    "709": [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)],
    ColorPrimaries.BT2020: [(0.708, 0.292), (0.170, 0.797), (0.131, 0.046)],
    ColorPrimaries.SMPTE432: [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)],
}
D65 = (0.3127, 0.3290)


def frame_of(code, form="yuv444p", *, matrix=2, full=None, transfer=2, primaries=2, size=(64, 64)):
    """A frame of one colour, given by its codes, with tags."""
    frame = av.VideoFrame(*size, form)
    for plane, value in zip(frame.planes, code, strict=True):
        words = np.full(
            plane.buffer_size // (2 if "10" in form else 1), value, "u2" if "10" in form else "u1"
        )
        plane.update(words.tobytes())
    frame.colorspace, frame.color_trc, frame.color_primaries = matrix, transfer, primaries
    frame.color_range = {None: ColorRange.UNSPECIFIED, True: ColorRange.JPEG, False: ColorRange.MPEG}[full]
    return frame


def by_the_book(code, matrix, *, full):
    """RGB of 8-bit codes: ITU-R BT.601, 709, 2020."""
    red, blue = WEIGHTS[matrix]
    low, high, chroma = (0, 255, 255) if full else (16, 219, 224)
    y, cb, cr = (code[0] - low) / high, (code[1] - 128) / chroma, (code[2] - 128) / chroma
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(255 * np.array([r, g, b]), 0, 255)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("full", [None, False, True])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_matrix_and_range_are_those_that_the_clip_says(matrix, full, code):
    image = colours.to_rgb(frame_of(code, matrix=matrix, full=full), 64, 64)
    np.testing.assert_allclose(image[32, 32], by_the_book(code, matrix, full=bool(full)), atol=2)


@pytest.mark.parametrize(
    ("size", "matrix"), [((720, 576), 6), ((1280, 720), 1), ((608, 1080), 1), ((64, 64), 6)]
)
def test_a_clip_that_does_not_say_is_taken_by_its_size(size, matrix):
    for unknown in (2, 3):
        image = colours.to_rgb(frame_of(CODES[0], matrix=unknown, size=size), *size)
        np.testing.assert_allclose(image[32, 32], by_the_book(CODES[0], matrix, full=False), atol=2)


def test_a_matrix_that_the_scaler_does_not_know_is_applied():
    red = frame_of((80, 73, 184), matrix=8, full=False)  # YCgCo: y = (r + 2g + b) / 4, cg = g - y, co = r - b
    np.testing.assert_allclose(colours.to_rgb(red, 64, 64)[32, 32], [200, 12, 74], atol=3)


@pytest.mark.parametrize("form", ["rgb24", "gray", "gbrp", "yuvj420p"])
def test_pictures_without_video_levels_keep_theirs(form):
    picture = np.full((64, 64, 3), 90, np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=form)
    np.testing.assert_allclose(colours.to_rgb(frame, 64, 64), picture, atol=2)


def pq(nits):
    """Code from 0 to 1 of a brightness: BT.2100, the inverse of what is tested."""
    y = np.asarray(nits, float) / 10000
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    return ((c1 + c2 * y**m1) / (1 + c3 * y**m1)) ** m2


def hlg(nits):
    """Code from 0 to 1 of grey on a screen of 1000 nits: BT.2100."""
    scene = (np.asarray(nits, float) / 1000) ** (1 / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def ten_bits(level):
    return round(64 + 876 * float(level))


@pytest.mark.parametrize(("transfer", "encode"), [(PQ, pq), (HLG, hlg)])
def test_the_grey_card_of_hdr_is_that_of_ordinary_video(transfer, encode):
    """BT.2408: 18 % grey, 26 nits where white has 203, is 38 % of PQ and HLG and 42.5 % of BT.709."""
    assert encode(26.0) == pytest.approx(0.38, abs=0.005)
    image = colours.to_rgb(
        frame_of((ten_bits(encode(26.0)), 512, 512), "yuv444p10le", matrix=9, transfer=transfer, primaries=9),
        64,
        64,
    )
    np.testing.assert_allclose(image[32, 32], 255 * 0.425, atol=2)


@pytest.mark.parametrize(("transfer", "encode"), [(PQ, pq), (HLG, hlg)])
def test_hdr_keeps_order_up_to_its_brightest_and_stays_as_it_is_below_the_knee(transfer, encode):
    levels = np.array([0.5, 5, 20, 60, 120, 160, 203, 300, 450, 700, 1000])
    shown = []
    for level in encode(levels):
        frame = frame_of((ten_bits(level), 512, 512), "yuv444p10le", matrix=9, transfer=transfer, primaries=9)
        shown.append(int(colours.to_rgb(frame, 64, 64)[32, 32, 1]))
    assert np.all(np.diff(shown[:9]) > 0) and np.all(np.diff(shown) >= 0) and shown[-1] >= 254
    below = levels < 0.8 * 203
    np.testing.assert_allclose(np.array(shown)[below], 255 * (levels[below] / 203) ** (1 / 2.4), atol=3)


def to_xyz(primaries):
    """From linear RGB, by the definition of primaries and white."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in XY[primaries]]).T
    white = np.array([D65[0] / D65[1], 1, (1 - sum(D65)) / D65[1]])
    return columns * np.linalg.solve(columns, white)


@pytest.mark.parametrize("primaries", colours.WIDE)
def test_wide_colours_are_the_same_in_the_narrow_space(primaries):
    np.testing.assert_allclose(
        np.linalg.solve(to_xyz("709"), to_xyz(primaries)), colours.WIDE[primaries], atol=2e-4
    )
    np.testing.assert_allclose(to_xyz(primaries)[1], colours.LUMA[primaries], atol=2e-4)
    skin = np.array([0.42, 0.25, 0.18])  # linear, of BT.709
    wide = np.linalg.solve(to_xyz(primaries), to_xyz("709") @ skin) ** (1 / 2.4)
    deep = np.broadcast_to(np.rint(65535 * wide).astype(np.uint16), (2, 2, 3))
    found = colours.narrowed(deep, primaries=primaries, transfer=ColorTrc.BT709)
    np.testing.assert_allclose(found[0, 0], 255 * skin ** (1 / 2.4), atol=1)


def tagged(path, codec, form, code, *, matrix, transfer, primaries, full=False):
    """A clip of one colour with tags, as a telephone writes it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, form
        context = stream.codec_context
        context.colorspace, context.color_trc, context.color_primaries = matrix, transfer, primaries
        context.color_range = ColorRange.JPEG if full else ColorRange.MPEG
        for number in range(3):
            frame = frame_of(code, form, matrix=matrix, transfer=transfer, primaries=primaries, full=full)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("transfer", "encode", "name"), [(PQ, pq, "PQ"), (HLG, hlg, "HLG")])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_hdr_of_a_telephone_is_tone_mapped_and_said(tmp_path, suffix, transfer, encode, name):
    path = tagged(
        tmp_path / f"a.{suffix}",
        "libx265",
        "yuv420p10le",
        (ten_bits(encode(26.0)), 512, 512),
        matrix=9,
        transfer=transfer,
        primaries=9,
    )
    np.testing.assert_allclose(next(video_reading.read_frames(path)).image[32, 32], 255 * 0.425, atol=3)
    assert f"is HDR ({name}); it is tone-mapped" in video_reading.probe(path).notes[0]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_tags_of_ordinary_clips_are_honoured(tmp_path, suffix, matrix, full):
    path = tagged(
        tmp_path / f"a.{suffix}",
        "libx264",
        "yuv444p",
        CODES[0],
        matrix=matrix,
        transfer=1,
        primaries=1,
        full=full,
    )
    image = next(video_reading.read_frames(path)).image
    np.testing.assert_allclose(image[32, 32], by_the_book(CODES[0], matrix, full=full), atol=4)
    assert video_reading.probe(path).notes == ()


STILLS = {  # how a photo is coded, whether its range is full, its brand
    "a.heic": (heif_files.hevc, False, b"heic"),
    "b.heic": (partial(heif_files.hevc, form="yuv420p10le"), False, b"heic"),
    "a.avif": (heif_files.av1, True, b"avif"),
    "b.avif": (heif_files.av1, True, b"mif1"),
}


def still(path, rgb, tags, *, tile=None, **more):
    """A photo of one colour, 0 to 255, with tags."""
    coded, is_full, brand = STILLS[path.name]
    image = np.broadcast_to(np.rint(rgb).astype(np.uint8), (96, 128, 3))
    tagged = (*tags, is_full)
    return heif_files.write(path, image, tile=tile, coded=coded, brand=brand, tags=tagged, **more)


@pytest.mark.parametrize(("transfer", "encode", "name"), [(PQ, pq, "PQ"), (HLG, hlg, "HLG")])
@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize("file", STILLS)
def test_the_grey_card_of_an_hdr_photo_is_that_of_an_ordinary_one(
    tmp_path, file, tile, transfer, encode, name
):
    path = still(tmp_path / file, 255 * encode(26.0), (9, transfer, 9), tile=tile)
    photo = photos.read_photo(path)
    assert photo.image.shape == (96, 128, 3)
    np.testing.assert_allclose(photo.image[48, 64], 255 * 0.425, atol=6)  # a step of 8 bits is 4
    assert photo.notes == (f"{path} is HDR ({name}); it is tone-mapped to ordinary brightness",)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_hdr_photo_that_pillow_wrote_is_tone_mapped_unless_it_is_transparent(tmp_path, mode):
    grey = round(255 * float(pq(26.0)))
    picture = Image.new(mode, (128, 96), (grey,) * 3)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize((128, 96)))
    stream = io.BytesIO()
    picture.save(stream, format="AVIF", quality=95)
    data, numbers = bytearray(stream.getvalue()), stream.getvalue().index(b"nclx") + 4
    data[numbers : numbers + 4] = bytes([0, 9, 0, PQ])
    (tmp_path / "a.avif").write_bytes(data)
    photo = photos.read_photo(tmp_path / "a.avif")
    expected, words = (255 * 0.425, "tone-mapped") if mode == "RGB" else (grey, "transparent in part")
    np.testing.assert_allclose(photo.image[48, 64], expected, atol=4)
    assert words in photo.notes[0] and len(photo.notes) == 1


@pytest.mark.parametrize("file", STILLS)
def test_wide_colours_of_a_photo_are_the_same_in_the_narrow_space(tmp_path, file):
    skin = np.array([0.50, 0.12, 0.08])  # linear, of BT.709
    p3 = np.linalg.solve(to_xyz(ColorPrimaries.SMPTE432), to_xyz("709") @ skin) ** (1 / 2.4)
    assert np.abs(255 * (p3 - skin ** (1 / 2.4))).max() > 8
    photo = photos.read_photo(still(tmp_path / file, 255 * p3, (12, 13, 6)))
    np.testing.assert_allclose(photo.image[48, 64], 255 * skin ** (1 / 2.4), atol=4)
    assert photo.notes == ()


@pytest.mark.parametrize("file", STILLS)
def test_wide_colours_with_a_profile_are_converted_once(tmp_path, file):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = still(tmp_path / file, (180, 120, 90), (12, 13, 6), profile=profile)
    np.testing.assert_allclose(photos.read_photo(path).image[48, 64], (180, 120, 90), atol=4)
