"""Photos that are refused, each with one sentence, or read by a plug-in alone."""

import builtins
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from d2a_core.media import images
from d2a_core.media.photos import read_photo


def _noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_header(width, height):
    """A PNG that announces its size and then holds no pixel that could be decoded."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", b"no pixels") + _chunk(b"IEND", b"")


def _bad(folder, kind):
    """Write a bad photo and return its path."""
    path = folder / f"{kind}.jpg"
    noise = Image.fromarray(_noise(100, 120, 3))
    noise.save(folder / "whole.jpg")
    noise.save(folder / "whole.png")
    jpeg, png = (folder / "whole.jpg").read_bytes(), (folder / "whole.png").read_bytes()
    contents = {
        "text": b"Dear friend, my photo is below.\n" * 20,
        "empty": b"",
        "truncated-jpeg": jpeg[: len(jpeg) // 2],
        "truncated-png": png[: len(png) // 2],
        "header-only-jpeg": jpeg[:30],
        "flipped-png": png[:3000] + bytes(200) + png[3200:],
        "bomb-200-megapixels": _png_header(20000, 10000),
        "bomb-2000-megapixels": _png_header(50000, 40000),
        "bomb-of-one-line": _png_header(150_000_000, 1),
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500),
        "video": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(500),
        "pdf": b"%PDF-1.7\n" + bytes(500),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"/>',
        "html": b"<!DOCTYPE html><title>404 Not Found</title>",
    }
    pictures = {
        "tiny": Image.new("RGB", (8, 8)),
        "thread": Image.new("RGB", (2000, 1)),
        "wholly-transparent": Image.new("RGBA", (100, 100), (9, 9, 9, 0)),
    }
    if kind in contents:
        path.write_bytes(contents[kind])
    elif kind in pictures:
        pictures[kind].save(path, format="PNG")
    elif kind == "float-tiff":
        Image.fromarray(np.full((90, 90), 0.5, np.float32)).save(path, format="TIFF")
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "does not exist; check the path"),
        ("folder", "is a folder"),
        ("empty", "is empty; copy the photo again"),
        ("text", "is a text, not a picture that can be read; give"),
        ("html", "is a web page, not a picture that can be read; give"),
        ("pdf", "is a PDF, not a picture that can be read; give"),
        ("svg", "is an SVG drawing, not a picture that can be read; give"),
        (
            "postscript",
            "is a PostScript file, not a picture that can be read; give",
        ),  # Pillow would start Ghostscript
        ("video", "is a file of no known kind, not a picture that can be read; give"),
        ("truncated-jpeg", "truncated .*; give an intact"),
        ("truncated-png", "cannot be used as a photo .*; give an intact"),
        ("header-only-jpeg", "; give an intact"),
        ("flipped-png", "cannot be used as a photo .*; give an intact"),
        ("bomb-200-megapixels", "has more than 120 megapixels.*; scale it down"),
        ("bomb-2000-megapixels", "has more than 120 megapixels.*; scale it down"),
        ("bomb-of-one-line", "has more than 120 megapixels.*; scale it down"),
        ("heic", "is a HEIC photo.*pip install pillow-heif"),
        ("tiny", "only 8×8 pixels"),
        ("thread", "only 2000×1 pixels"),
        ("wholly-transparent", "wholly transparent"),
        ("float-tiff", "32 bits"),
    ],
)
def test_a_bad_photo_is_one_sentence_with_its_path_and_a_remedy(tmp_path, monkeypatch, kind, words):
    if kind == "heic":
        _without(monkeypatch, "pillow_heif")
    path = _bad(tmp_path, kind)
    with pytest.raises(ValueError, match=words) as caught:
        read_photo(path)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path)) and "; " in message


def _without(monkeypatch, module):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.split(".")[0] == module:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_a_photo_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    images.write_image(_noise(64, 64, 3), tmp_path / "i.png")

    def forbid(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", forbid)
    with pytest.raises(ValueError, match="i.png may not be read; give yourself the right"):
        read_photo(tmp_path / "i.png")
