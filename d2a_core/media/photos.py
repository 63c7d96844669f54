"""Photos from anywhere, as upright 8-bit RGB pictures."""

import io as memory
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from d2a_core.media import colours, heif, orientation
from d2a_core.media.recognition import (
    PICTURE_FORMATS,
    SHOTS,
    UNREADABLE,
    head_of,
    is_avif,
    is_heif,
    kind_of_file,
)

OPAQUE = 128  # alpha from which a pixel's colour counts for the background
MAX_PIXELS = 120_000_000  # of a photo: 360 MB decoded; phones take 108 megapixels at most in one shot
MIN_SIDE = 64  # px, of a photo: no face on less shows its eyes
PHOTO_REMEDY = "give an intact PNG, JPEG or WebP file"
DEEP = ("I;16", "I;16B", "I;16L")  # grey of 16 bits


@dataclass(frozen=True)
class Photo:
    """An upright picture `image` u1 [H, W, 3], sRGB, and `notes` on the changes to the file."""

    image: NDArray[np.uint8]
    notes: tuple[str, ...]


def read_all(paths: Mapping[str, str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Name and picture of each of the named photos, read when it is asked for; see `read_photo`."""
    for name, path in paths.items():
        yield name, read_photo(path).image


def read_photo(path: str | Path) -> Photo:
    """Read a user's photo: turned upright, in sRGB, 8 bits, opaque, the first picture of an animation.

    What is transparent takes the median colour of what is not. Raises ValueError in one sentence where the
    file is no such photo.
    """
    with open_photo(path) as opened:
        notes = [f"{path} {opened.info['remark']}"] if "remark" in opened.info else []
        pictures = getattr(opened, "n_frames", 1)
        if pictures > 1 and opened.format not in SHOTS:
            notes.append(f"{path} is animated; the first of its {pictures} pictures is used")
        profile = opened.info.get("icc_profile")
        image, turned = orientation.upright(opened, path)
        notes.extend(turned)
        image, remarks = _opaque(_eight_bit(image), path)
        image, more = _to_srgb(image, profile, path)
        return Photo(np.array(image.convert("RGB")), (*notes, *remarks, *more))


def flattened(image: Image.Image) -> NDArray[np.uint8]:
    """Picture u1 [H, W, 3], upright and in sRGB, that an opened animation shows now; white is behind it."""
    profile = image.info.get("icc_profile")
    upright, _ = orientation.upright(image, "")
    if upright.has_transparency_data:
        above = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return np.array(_to_srgb(_eight_bit(upright), profile, "")[0].convert("RGB"))


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled down to 8; Pillow itself would cut it off at 255."""
    if image.mode in DEEP:
        return Image.fromarray(np.rint(np.asarray(image, np.float32) / 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels have 32 bits (mode {image.mode}), whose white is unknown")
    return image


def _opaque(image: Image.Image, path: str | Path) -> tuple[Image.Image, tuple[str, ...]]:
    """Lay a transparent picture on the median colour of its opaque part."""
    if not image.has_transparency_data:
        return image, ()
    pixels = np.asarray(image.convert("RGBA"), np.float32)
    colour, alpha = pixels[..., :3], pixels[..., 3:] / 255
    opaque = pixels[..., 3] >= OPAQUE
    if not opaque.any():
        raise ValueError("it is wholly transparent")
    background = np.median(colour[opaque], axis=0)
    if opaque.all() and alpha.min() == 1:
        return image.convert("RGB"), ()
    mixed = np.rint(alpha * colour + (1 - alpha) * background).astype(np.uint8)
    return Image.fromarray(mixed), (f"{path} is transparent in part; the median colour stands behind it",)


def _to_srgb(
    image: Image.Image, profile: bytes | None, path: str | Path
) -> tuple[Image.Image, tuple[str, ...]]:
    """Apply the embedded colour profile, so that wide-gamut and CMYK pictures keep their colours."""
    if not profile:
        return image, ()
    try:
        source = ImageCms.ImageCmsProfile(memory.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        return image if converted is None else converted, ()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image, (f"the colour profile of {path} does not fit it and is ignored",)


@contextmanager
def open_photo(path: str | Path) -> Iterator[Image.Image]:
    """Yield a user's picture as Pillow opens it: header read, nothing decoded yet.

    Raises ValueError, also for what goes wrong inside the block, in one sentence that names the file and
    the remedy. What runs other programs on the file, as PostScript does, is not opened.
    """
    path = Path(path)
    _check_photo_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            warnings.filterwarnings("ignore", module="PIL")  # what it reads around is said in a note
            with _opened(path) as image:
                _check_size(*image.size)
                yield image
    except PermissionError:
        raise ValueError(f"{path} may not be read; give yourself the right to, or copy it") from None
    except Image.DecompressionBombError:
        limit = f"{MAX_PIXELS / 1e6:.0f} megapixels"
        raise ValueError(f"{path} has more than {limit}, too many to decode; scale it down") from None
    except UnidentifiedImageError:
        kind = kind_of_file(path)
        raise ValueError(f"{path} is {kind.words}, not a picture that can be read; {PHOTO_REMEDY}") from None
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be used as a photo ({reason}); {PHOTO_REMEDY}") from error


def _check_photo_file(path: Path) -> None:
    if not path.exists():
        raise ValueError(f"{path} does not exist; check the path of the photo")
    if not path.is_file():
        raise ValueError(f"{path} is a folder or a device; name the photo inside it")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty; copy the photo again")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError
    if min(width, height) < MIN_SIDE:
        raise ValueError(f"it has only {width}×{height} pixels")


def _opened(path: Path) -> Image.Image:
    """A picture as Pillow opens it; HEIC without its plug-in, and HDR and wide colours, are decoded here."""
    head = head_of(path)
    if is_heif(head):
        if _is_wide(path) or not _has_plugin():
            return _opened_heif(path)
        return Image.open(path, formats=["HEIF"])
    if is_avif(head) and _is_wide(path):
        return _opened_heif(path)
    return Image.open(path, formats=PICTURE_FORMATS)


def _has_plugin() -> bool:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _is_wide(path: Path) -> bool:
    """Whether a file in HEIF shows more than Pillow knows of; transparency is left to Pillow."""
    try:
        found = heif.read(path)
    except UNREADABLE:
        return False
    tags = found.tags
    return tags is not None and found.is_opaque and colours.is_wide(tags.primaries, tags.transfer)


def _opened_heif(path: Path) -> Image.Image:
    try:
        found = heif.read(path)
        _check_size(found.width, found.height)
        image = Image.fromarray(found.image())
    except UNREADABLE as error:
        raise ValueError(
            f"it is a HEIC photo that is damaged or unusual, {error}; `pip install pillow-heif` may read it"
        ) from error
    if found.icc_profile:
        image.info["icc_profile"] = found.icc_profile
    remark = colours.remark(found.tags.transfer) if found.tags else None
    if remark:
        image.info["remark"] = remark
    return image
