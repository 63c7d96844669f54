"""Resize and warp pictures."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Scale u1 [N, H, W, 3] so that the longer side is `size` px; the shape of the image stays.

    A pixel of a smaller image is the mean of the area it covers, that of a larger one is bicubic.
    """
    height, width = images.shape[1:3]
    scale = size / max(height, width)
    sides = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.stack([scaled(image, *sides) for image in images])


def scaled(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Scale u1 [H, W, 3] to exactly `width` × `height` px, whatever its shape."""
    smaller = width < image.shape[1]
    kind = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).resize((width, height), kind))


def warped(image: NDArray, quad: NDArray, sides: tuple[int, int], *, fine: int) -> NDArray[np.float32]:
    """Warp the corners `quad` [4, 2] of an image [H, W] or [H, W, 3] into a picture of `sides` (w, h).

    The corners come as they lie on the picture: top left, bottom left, bottom right, top right. It is sampled
    `fine` times finer, bicubic, and reduced (Lanczos), in float: Pillow cuts 8-bit samples off instead of
    rounding them, which darkens a picture by half a grey level.
    """
    finer, corners = (fine * sides[0], fine * sides[1]), np.asarray(quad).ravel().tolist()

    def placed(channel: NDArray) -> NDArray[np.float32]:
        picture = Image.fromarray(channel.astype(np.float32))
        picture = picture.transform(finer, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
        return np.array(picture.resize(sides, Image.Resampling.LANCZOS))

    if image.ndim == 2:
        return placed(image)
    return np.stack([placed(channel) for channel in np.moveaxis(image, 2, 0)], axis=2)
