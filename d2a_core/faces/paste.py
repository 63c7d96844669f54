"""Put the animated face back into its photo, by the inverse of the alignment and under a soft mask."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from d2a_core.faces.alignment import Crop
from d2a_core.faces.schemes import Scheme
from d2a_core.media.resampling import resize, warped

DRAWN = 512  # px, side at which the mask is drawn and blurred
NEAR = 2  # frames before and after one whose faces its mask covers too, so that it does not flicker
FOREHEAD = 0.45  # how far the mask reaches above the brows, in distances from mouth to eyes
FEATHER = 0.015  # of the picture's side: sigma of the mask's soft rim, which lies outside the face
EDGE = 0.04  # of the picture's side: width over which the mask ends before the picture does
SUPERSAMPLING = 8  # a face smaller than its picture is sampled up to this much finer, then reduced
RIM = 2.0  # sigmas by which the face is grown before it is blurred, so that all of it stays covered
CLEAR = 0.02  # of a blurred edge: its value two sigmas outside
SHARPNESS = 8  # of the border between two faces: one that is nearer by a fifth has four fifths of a pixel
CLOSEST = 0.05  # distance from a face below which it is not nearer
TINY = 1e-12  # below any share


@dataclass(frozen=True)
class Options:
    """Config section `animations.paste_back`."""

    longest_side: int


@dataclass(frozen=True)
class Place:
    """Place of frames on a photo u1 [H, W, 3] with even sides: `box` left, top, right, bottom in pixels.

    `alpha` [bottom - top, right - left, 1] is the share of the frame there.
    """

    photo: NDArray[np.uint8]
    crop: Crop
    box: tuple[int, int, int, int]
    alpha: NDArray[np.float32]


def face_mask(
    points: NDArray, scheme: Scheme, *, size: int, rim: float = RIM, forehead: float = FOREHEAD
) -> NDArray[np.float32]:
    """Soft mask [size, size] in [0, 1] of the aligned picture that covers a face in all its positions.

    `points` [T, P, 2] are fractions of the side: those of the source and of one or more frames. What any of
    them covers is taken from the frame, so an opened mouth leaves no second chin and a turned head no second
    cheek. Rows with NaN, no face having been found, do not count. The mask ends about `rim` + 2 σ of its soft
    edge outside the outline of the face, which ends `forehead` distances from mouth to eyes above the brows.
    """
    seen = points[np.isfinite(points).all(axis=(1, 2))]
    if not len(seen):
        raise ValueError("no face to draw a mask around; give landmarks of at least one picture")
    canvas = Image.new("L", (DRAWN, DRAWN))
    draw = ImageDraw.Draw(canvas)
    for outline in _outlines(seen, scheme, forehead) * DRAWN:
        line = [tuple(point) for point in outline.tolist()]
        draw.polygon(line, fill=255)
        draw.line([*line, *line[:2]], fill=255, width=round(2 * rim * FEATHER * DRAWN), joint="curve")
    soft = np.asarray(canvas.filter(ImageFilter.GaussianBlur(FEATHER * DRAWN)), np.float32) / 255
    inside = np.clip((soft - CLEAR) / (1 - 2 * CLEAR), 0, 1)
    steps = (np.arange(DRAWN, dtype=np.float32) + 0.5) / DRAWN
    ramp = np.clip((np.minimum(steps, 1 - steps) - EDGE / 4) / EDGE, 0, 1)
    mask = Image.fromarray(inside * np.minimum(ramp, ramp[:, None]))
    return np.clip(np.asarray(mask.resize((size, size), Image.Resampling.BILINEAR)), 0, 1)


def _outlines(points: NDArray, scheme: Scheme, forehead: float) -> NDArray[np.float64]:
    """Closed lines [T, K, 2] around faces: the contour from temple to temple, back over the forehead."""
    eyes = points[:, [*scheme.left_eye, *scheme.right_eye]].mean(axis=1, keepdims=True)
    up = eyes - points[:, list(scheme.mouth_corners)].mean(axis=1, keepdims=True)
    brows = points[:, list(scheme.upper_brows)]
    return np.concatenate((points[:, list(scheme.parts["contour"])], brows[:, ::-1] + forehead * up), axis=1)


def prepare(photo: NDArray[np.uint8], crop: Crop, mask: NDArray[np.float32]) -> Place:
    """Find the place of frames on an upright photo u1 [H, W, 3]; `mask` [size, size] as of `face_mask`.

    The photo loses its last row and column where their number is odd, which H.264 cannot hold.
    """
    height, width = (length - length % 2 for length in photo.shape[:2])
    corners = crop.to_photo(_corners_of(mask) * (crop.size / len(mask)))
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, [width - 1, height - 1]).tolist()
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), [left + 1, top + 1], [width, height])
    box = (left, top, int(right), int(bottom))
    alpha = _placed(mask, crop, box)
    alpha[alpha < CLEAR] = 0  # the bytes out there stay as they were
    return Place(np.ascontiguousarray(photo[:height, :width]), crop, box, alpha.clip(0, 1)[..., None])


def _corners_of(mask: NDArray[np.float32]) -> NDArray[np.float64]:
    """Corners [4, 2] of the rectangle in which a mask is not 0, in its pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("the mask is empty; give one that covers a part of the picture")
    (left, right), (top, bottom) = columns[[0, -1]] + [0, 1], rows[[0, -1]] + [0, 1]
    return np.array([[left, top], [left, bottom], [right, bottom], [right, top]], np.float64)


def paste(
    place: Place, frame: NDArray[np.uint8], *, onto: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Put an animated face u1 [size, size, 3] into its box of the photo u1 [H, W, 3]; leave the rest.

    `onto` is the photo with other faces in it already, those of `shared` places.
    """
    box, pasted = _box(place), (place.photo if onto is None else onto).copy()
    change = place.alpha * (_placed(frame, place.crop, place.box) - place.photo[box].astype(np.float32))
    pasted[box] = np.rint(pasted[box] + change).clip(0, 255)
    return pasted


def shared(places: Sequence[Place], distances: Sequence[NDArray[np.float32]]) -> list[Place]:
    """Divide what several places on one photo have in common, so that no share is counted twice.

    `distances` [H, W] tell how far each pixel is from each face, in sizes of that face; the nearest one gets
    most. A frame shows the photo's own, still faces beside the one that moves, and must not cover them.
    """
    total = np.zeros(places[0].photo.shape[:2], np.float32)
    claims = []
    for place, distance in zip(places, distances, strict=True):
        near = np.maximum(distance[_box(place)], CLOSEST)
        claims.append(place.alpha[..., 0] * near**-SHARPNESS)
        total[_box(place)] += claims[-1]
    return [
        replace(place, alpha=place.alpha * (claim / np.maximum(total[_box(place)], TINY))[..., None])
        for place, claim in zip(places, claims, strict=True)
    ]


def _box(place: Place) -> tuple[slice, slice]:
    """Rows and columns of a place on its photo."""
    left, top, right, bottom = place.box
    return slice(top, bottom), slice(left, right)


def fitted(photo: NDArray[np.uint8], crop: Crop, *, longest: int) -> tuple[NDArray[np.uint8], Crop]:
    """Scale photo and crop down so that no side is longer than `longest` px, which players can decode."""
    scale = min(1.0, longest / max(photo.shape[:2]))
    if scale == 1:
        return photo, crop
    small = resize(photo[None], longest)[0]
    return small, Crop(crop.quad * (small.shape[1] / photo.shape[1]), crop.size)


def places(
    photo: NDArray[np.uint8], crop: Crop, source: NDArray, points: NDArray, scheme: Scheme
) -> Iterator[Place]:
    """Find the place on the photo of every frame of a video, without end.

    `source` [1, P, 2] and `points` [T, P, 2], one row a frame, are landmarks as fractions of the picture. The
    mask of a frame covers the source and the frames around it: a mask for the whole video would be wide
    enough for its largest turn and show the generator's hair and background in all other frames.
    """
    for index in count():
        near = points[max(0, index - NEAR) : index + NEAR + 1]
        yield prepare(photo, crop, face_mask(np.concatenate((source, near)), scheme, size=DRAWN))


def paste_back(
    photo: NDArray[np.uint8], frame: NDArray[np.uint8], crop: Crop, mask: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Put one frame into the photo."""
    return paste(prepare(photo, crop, mask), frame)


def _placed(picture: NDArray, crop: Crop, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Lay a square picture u1 [S, S, 3] or mask f4 [S, S] into a box of the photo: [H, W, 3] or [H, W].

    Where the face on the photo is smaller than the picture, the box is sampled finer and then reduced, else
    it would alias.
    """
    left, top, right, bottom = box
    corners = np.array([[left, top], [left, bottom], [right, bottom], [right, top]])
    quad = crop.to_crop(corners) * (len(picture) / crop.size)
    fine = int(np.clip(np.ceil(len(picture) / crop.side), 1, SUPERSAMPLING))
    return warped(picture, quad, (right - left, bottom - top), fine=fine)
