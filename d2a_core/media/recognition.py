"""What a user's file is, by its content: its name may say anything."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import av
from av.stream import Disposition
from PIL import Image

from d2a_core.media.clip_packets import OPENING
from d2a_core.store import manifests

HEAD = 4096  # bytes that tell most kinds
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "TGA")
SHOTS = ("MPO", "TIFF")  # several pictures of one thing, not a movement
JPEG_STREAMS = (".mjpeg", ".mjpg")
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
SIGNS = (  # how files begin that are neither pictures nor clips, and what they are
    (b"PAR1", "table", "a table"),
    (b"%PDF", None, "a PDF"),
    (b"%!PS", None, "a PostScript file"),
    (b"PK\x03\x04", None, "an archive"),
    (b"\x80\x02", None, "a pickle"),
    (b"8BPS", None, "a Photoshop file"),
    (b"\xff\x0a", None, "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", None, "a JPEG XL picture"),
)
UNREADABLE = (*manifests.DAMAGE, ArithmeticError, SyntaxError, AssertionError, struct.error)  # by Pillow
MARKUP = ((b"<svg", "an SVG drawing"), (b"<html", "a web page"), (b"<!doctype html", "a web page"))


@dataclass(frozen=True)
class Kind:
    """A `name`: picture, video, sound, table, text, folder, or None for any other; `words` for a message."""

    name: str | None
    words: str


UNKNOWN = Kind(None, "a file of no known kind")


def kind_of_file(path: str | Path) -> Kind:
    """What a file or folder of a user's is; an animated picture, or a folder of numbered ones, is a video.

    Raises OSError for a file that may not be read.
    """
    path = Path(path)
    if path.is_dir():
        return (
            Kind("video", "a folder of numbered pictures") if numbered(path) else Kind("folder", "a folder")
        )
    head = head_of(path)
    for sign, name, words in SIGNS:
        if head.startswith(sign):
            return Kind(name, words)
    return kind_of_picture(path) or _text(head) or _clip(path) or UNKNOWN


def numbered(folder: Path) -> list[Path]:
    """The pictures in a folder whose names hold numbers, in the order of these; hidden files do not count."""
    named = [
        path for path in folder.iterdir() if re.search(r"[0-9]", path.stem) and not path.name.startswith(".")
    ]
    found = [
        path for path in named if path.is_file() and (kind_of_picture(path) or UNKNOWN).name == "picture"
    ]
    return sorted(found, key=lambda path: _natural(path.stem))


def _natural(name: str) -> list[str | int]:
    """Texts and numbers of a name in turn, so that 2 comes before 10."""
    return [int(part) if turn % 2 else part for turn, part in enumerate(re.split(r"([0-9]+)", name))]


def is_heif(head: bytes) -> bool:
    """Whether a file that begins so is a HEIC photo; a clip in the same container is none."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS


def is_avif(head: bytes) -> bool:
    """Whether a file that begins so is an AVIF picture."""
    return head[4:12] == b"ftypavif"


def head_of(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as handle:
        return handle.read(HEAD)


def kind_of_picture(path: Path) -> Kind | None:
    """What a file is that holds one or more pictures; None for any other."""
    suffix = path.suffix.lower()
    # a TGA has no sign, and many streams look like one; a stream of JPEGs has that of one
    left_out = {"TGA"} - {suffix[1:].upper()} | ({"JPEG"} if suffix in JPEG_STREAMS else set())
    formats = [name for name in PICTURE_FORMATS if name not in left_out]
    try:
        if is_heif(head_of(path)):
            return Kind("picture", "a HEIC picture")
        with Image.open(path, formats=formats) as image:
            moves = getattr(image, "n_frames", 1) > 1 and image.format not in SHOTS
            return Kind("video", "an animated picture") if moves else Kind("picture", "a picture")
    except Image.DecompressionBombError:
        return Kind("picture", "a picture")
    except UNREADABLE:
        return None


def _text(head: bytes) -> Kind | None:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not a letter that the end of the head cuts
            return None
    if b"\0" in head or not head:
        return None
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    marked = (words for sign, words in MARKUP if start.startswith(b"<") and sign in start)
    return Kind("text", next(marked, "a text"))


def _clip(path: Path) -> Kind | None:
    try:
        with av.open(str(path.absolute()), options=OPENING, metadata_errors="replace") as container:
            if container.format.name.endswith("_pipe"):
                return Kind(None, "a picture of another format")
            if container.format.name == "image2":  # guessed by the name alone
                return None
            streams = container.streams
            if any(not stream.disposition & Disposition.attached_pic for stream in streams.video):
                return Kind("video", "a video")
            return Kind("sound", "a sound without pictures") if streams.audio else None
    except av.FFmpegError:
        return None
