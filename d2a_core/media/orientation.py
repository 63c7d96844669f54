"""Turn pictures upright as their camera noted, and leave those as they lie whose note cannot be read."""

import struct
import warnings
from pathlib import Path

from PIL import ExifTags, Image

UNTURNED = (0, 1)  # 0: the camera did not know
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
DAMAGE = (SyntaxError, struct.error, OSError, ValueError, ArithmeticError, LookupError, TypeError)


def upright(image: Image.Image, path: str | Path) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture upright, and a note where it was turned or its camera's note was of no use."""
    image.load()  # some formats have their notes at the end
    orientation, whole = _orientation(image)
    if orientation in TURNS:
        return image.transpose(TURNS[orientation]), (f"{path} was turned upright as its camera noted",)
    if not whole:
        return image, (f"the EXIF block of {path} is damaged, so the picture is used as it lies",)
    if orientation not in UNTURNED:
        return image, (f"{path} has an unknown orientation ({orientation!r}) and is used as it lies",)
    return image, ()


def _orientation(image: Image.Image) -> tuple[object, bool]:
    """The orientation that EXIF or XMP says, 1 where none does, and whether EXIF can be read."""
    with warnings.catch_warnings(record=True) as faults:
        warnings.simplefilter("always")  # of what Pillow reads around
        try:
            Image.Exif().load(image.info.get("exif", b""))  # anew: Pillow forgets a fault that it has met
            return image.getexif().get(ExifTags.Base.Orientation, 1), not faults
        except DAMAGE:
            return 1, False
