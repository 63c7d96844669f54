"""Find the cuts of a clip on small pictures of its frames."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL = 24  # px, side of the pictures that cuts are seen on
FLAT = 2.0  # grey levels of contrast below which a picture is black, or as good as
SAME_SHOT = 0.5  # correlation of two thumbnails; below it the picture was cut


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Small grey picture of a frame u1 [H, W, 3], of mean 0 and norm 1; 0 where it is flat."""
    step = max(1, min(image.shape[:2]) // (4 * THUMBNAIL))  # one pixel in many is enough for a mean
    picture = Image.fromarray(image[::step, ::step]).convert("L")
    small = np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), np.float32)
    small = small - small.mean()
    norm = np.linalg.norm(small)
    return small / norm if norm > FLAT * THUMBNAIL else np.zeros_like(small)


def is_cut(before: NDArray, now: NDArray) -> bool:
    """Whether two thumbnails are of different shots; another brightness alone is none."""
    flat = not before.any() and not now.any()
    return not flat and bool((before * now).sum() < SAME_SHOT)
