"""The crop of FFHQ: the place of faces on the generator's training pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.faces.schemes import WFLW98, Scheme
from d2a_core.media.resampling import warped

SIZE = 1024  # px, side of an aligned picture
LOOK_SIZE = 256  # px, side of the picture for the second look: that of the drafts
SUPERSAMPLING = 4  # a quad larger than the picture is sampled up to this much finer, then reduced (FFHQ)
BORDER = 0.1  # of the quad's side, kept around it (FFHQ)
PADDING = 0.3  # of the quad's side, least strip added where it leaves the photo (FFHQ)
BLUR = 0.02  # of the quad's side, sigma of the blur on that strip (FFHQ)


@dataclass(frozen=True)
class Layout:
    """A crop of FFHQ alignment: `centre` [N, 2] and `axis` [N, 2], half its width along the eyes."""

    centre: NDArray[np.float64]
    axis: NDArray[np.float64]


FFHQ = Layout(np.array([[0.5, 0.5]]), np.array([[0.5, 0.0]]))  # in its own points, those of dlib


def layout(points: NDArray, scheme: Scheme) -> Layout:
    """Crop of FFHQ alignment (Karras et al. 2019, appendix A) for points [N, P, 2] in isotropic units.

    With the eye centres' middle e and difference d, and m the mouth's middle minus e: the axis points along
    d - rot90(m), its length is max(2|d|, 1.8|m|), the centre is e + 0.1 m.
    """
    left, right = (points[:, list(eye)].mean(axis=1) for eye in (scheme.left_eye, scheme.right_eye))
    eyes, across = (left + right) / 2, right - left
    down = points[:, list(scheme.mouth_corners)].mean(axis=1) - eyes
    axis = across - np.stack((-down[:, 1], down[:, 0]), axis=1)
    length = np.maximum(2.0 * np.linalg.norm(across, axis=1), 1.8 * np.linalg.norm(down, axis=1))
    axis *= (length / np.linalg.norm(axis, axis=1))[:, None]
    return Layout(eyes + 0.1 * down, axis)


def align(points: NDArray, crops: Layout, reference: Layout) -> NDArray[np.float32]:
    """Move points [N, P, 2] by the similarity that takes each crop to the `reference` crop (one row)."""
    scale = reference.axis[0] @ np.array([1, 1j]) / (crops.axis @ np.array([1, 1j]))
    local = (points - crops.centre[:, None]) @ np.array([1, 1j])
    placed = local * scale[:, None]
    return (np.stack((placed.real, placed.imag), axis=-1) + reference.centre[0]).astype(np.float32)


@dataclass(frozen=True)
class Crop:
    """The square of an upright photo that becomes an aligned picture of `size` px.

    `quad` [4, 2] are its corners in pixels of the photo, as they lie top left, bottom left, bottom right and
    top right on the picture. Pixel (0, 0) covers the coordinates 0 to 1.
    """

    quad: NDArray[np.float64]
    size: int = SIZE

    @property
    def side(self) -> float:
        """Side of the square in pixels of the photo."""
        return float(np.linalg.norm(self.quad[3] - self.quad[0]))

    @property
    def _turn(self) -> complex:
        """Scale and rotation that turn a pixel of the picture into a step on the photo."""
        return complex(*(self.quad[3] - self.quad[0])) / self.size

    def to_photo(self, points: NDArray) -> NDArray[np.float64]:
        """Points [..., 2] in pixels of the picture → pixels of the photo."""
        return _from_complex(_complex(points) * self._turn + complex(*self.quad[0]))

    def to_crop(self, points: NDArray) -> NDArray[np.float64]:
        """Points [..., 2] in pixels of the photo → pixels of the picture."""
        return _from_complex((_complex(points) - complex(*self.quad[0])) / self._turn)

    def facts(self) -> dict[str, Any]:
        """Plain values from which `crop_from_facts` makes it again."""
        return {"quad": self.quad.tolist(), "size": self.size}


def crop_from_facts(facts: Mapping[str, Any]) -> Crop:
    """Inverse of `Crop.facts`."""
    return Crop(np.array(facts["quad"], np.float64), int(facts["size"]))


def _complex(points: NDArray) -> NDArray[np.complex128]:
    return np.asarray(points, np.float64) @ np.array([1, 1j])


def _from_complex(points: NDArray) -> NDArray[np.float64]:
    return np.stack((points.real, points.imag), axis=-1)


def crop_of(points: NDArray, reference: Layout, scheme: Scheme, *, size: int = SIZE) -> Crop:
    """Crop that brings the face with `points` [P, 2] to the place of the `reference`.

    With the reference `FFHQ` this is the crop of Karras et al.
    """
    face = layout(np.asarray(points, np.float64)[None], scheme)
    return Crop(quads(face, reference)[0], size)


def quads(faces: Layout, reference: Layout) -> NDArray[np.float64]:
    """Corners [N, 4, 2], as of `Crop`, of the squares that bring `faces` to the `reference` (one row)."""
    turn = _complex(faces.axis) / _complex(reference.axis[0])
    corners = np.array([0, 1j, 1 + 1j, 1]) - _complex(reference.centre[0])
    return _from_complex(corners * turn[:, None] + _complex(faces.centre)[:, None])


def find_crop(
    photo: NDArray[np.uint8], points: NDArray, detector: LandmarkDetector, reference: Layout
) -> Crop:
    """Crop of a photo u1 [H, W, 3] that brings the face with 98 WFLW `points` to where sampled faces lie.

    The plain FFHQ crop first; then the `detector` that saw the samples, whose `reference` is
    `reference`, looks at it as it looked at them, and its points correct the crop. Without that second
    look the crop depends on size and tilt of the face on the photo. Where it sees no face, the first stays.
    """
    rough = crop_of(points, FFHQ, WFLW98, size=LOOK_SIZE)
    seen = detector.detect(extract(photo, rough)[None])
    if not seen.found[0]:
        return Crop(rough.quad)
    return crop_of(rough.to_photo(seen.points[0] * LOOK_SIZE), reference, detector.scheme)


def extract(photo: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """The aligned picture u1 [size, size, 3] of an upright photo u1 [H, W, 3] (FFHQ, appendix A).

    A quad much larger than the picture is reduced first, one smaller than it enlarged, so that the sampling
    itself, which is only bicubic, loses nothing. Where the quad leaves the photo, the photo is continued by
    reflection, increasingly blurred and faded to the median colour.
    """
    image, quad, scale = Image.fromarray(photo), crop.quad, crop.size / crop.side
    if scale < 1 / 4:  # at least two pixels are left for each that is wanted (FFHQ)
        image, quad = _resized(image, quad, 1 / int(1 / scale / 2))
    image, quad = _cropped(image, quad)
    if scale > 1:
        image, quad = _resized(image, quad, np.ceil(scale))
    side = np.linalg.norm(quad[3] - quad[0])
    fine = int(np.clip(np.ceil(side / crop.size), 1, SUPERSAMPLING))
    sampled = warped(np.asarray(image), quad, (crop.size, crop.size), fine=fine)
    return np.rint(sampled).clip(0, 255).astype(np.uint8)


def _resized(image: Image.Image, quad: NDArray, scale: float) -> tuple[Image.Image, NDArray]:
    """The image in another size, and the quad on it."""
    sides = [max(1, round(length * scale)) for length in image.size]
    return image.resize(sides, Image.Resampling.LANCZOS), quad * (np.array(sides) / image.size)


def _cropped(image: Image.Image, quad: NDArray) -> tuple[Image.Image, NDArray]:
    """The part of the image around the quad, continued where the quad leaves it, and the quad on it."""
    side = float(np.linalg.norm(quad[3] - quad[0]))
    border = max(round(BORDER * side), 3)
    low = np.floor(quad.min(axis=0)).astype(int) - border
    high = np.ceil(quad.max(axis=0)).astype(int) + border
    left, top = np.clip(low, 0, np.array(image.size) - 1)
    right, bottom = np.clip(high, [left + 1, top + 1], image.size)
    part = np.asarray(image.crop((left, top, right, bottom)))
    missing = np.array([left - low[0], top - low[1], high[0] - right, high[1] - bottom])
    if missing.max() <= border:
        return Image.fromarray(part), quad - [left, top]
    strips = np.maximum(missing, round(PADDING * side))
    return Image.fromarray(_continued(part, strips, BLUR * side)), quad - [left, top] + strips[:2]


def _continued(part: NDArray[np.uint8], strips: NDArray, sigma: float) -> NDArray[np.uint8]:
    """`part` [H, W, 3] and strips (left, top, right, bottom) of its reflection, blurred and fading out.

    The blur sets in a third of a strip inside the photo and is full from its edge on; the fade goes from
    the edge of the photo to that of the strip.
    """
    left, top, right, bottom = strips
    padded = np.pad(part, ((top, bottom), (left, right), (0, 0)), mode="reflect")
    y, x = (np.arange(length, dtype=np.float32) for length in padded.shape[:2])
    across = np.maximum(1 - x / left, 1 - x[::-1] / right)
    down = np.maximum(1 - y / top, 1 - y[::-1] / bottom)
    outside = np.maximum(across[None], down[:, None])[..., None]  # 0 at the photo's edge, 1 at the strip's
    blurred = np.asarray(Image.fromarray(padded).filter(ImageFilter.GaussianBlur(sigma)), np.float32)
    mixed = padded + (blurred - padded) * np.clip(3 * outside + 1, 0, 1)
    mixed += (np.median(mixed, axis=(0, 1)) - mixed) * np.clip(outside, 0, 1)
    return np.rint(mixed).clip(0, 255).astype(np.uint8)
