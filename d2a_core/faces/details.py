"""What a photo shows of a face and its code does not: freckles, strokes of a brush, the colour of the eyes.

The code of a photo shows a face of its generator that is much like the photo's. What it says of the face at
rest is taken back here: of an animation it keeps how the face moves. Dense optical flow (Kroeger et al.,
ECCV 2016) finds where each point of the still has gone in a frame of the same face, and what the photo shows
there goes with it. Where a frame shows what the still does not, as lids, teeth, or the far side of a turned
nose, it is left as the generator drew it: the occlusion map of motion models (Siarohin et al., NeurIPS 2019),
measured instead of learned.

Places and displacements are fractions of the side, x and y, whatever the size of a picture.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from d2a_core.faces import features, paste
from d2a_core.faces.schemes import Scheme
from d2a_core.media import resampling

SMALL = 256  # px, side at which colour and light are compared, and frames with the moved still
FLOW = 512  # px, side at most at which motion is looked for
FINEST = 1  # octaves below that at which the flow ends; finer is noise
CALM = 0.003  # sigma of the blur that calms the flow of a frame
ALIKE = 0.01  # sigma of the blur of the flow between photo and still, which are not of one make
FARTHEST = 0.016  # longest flow of that kind; where it is longer, nothing alike was found
LOCAL = 0.03  # sigma of the mean and the contrast that both are brought to before
SHADE = 0.03  # sigma of the blur below which a frame may differ from the moved still, being lit anew
SOFT = 0.004  # sigma of what is compared, and of the seams between photo and generator
NEW = 20.0  # grey levels by which what is new in a frame differs from the moved still
STRETCHED = (0.25, 0.6)  # area on the still of a unit of a frame: nothing of the photo is left at the first
ROUNDS = 4  # of the fixed point that turns a displacement round
RIM = 0.012  # width of the rim of lips and eyes that is not skin
STRANGE = (12.0, 30.0)  # grey levels between photo and still where only one of them has hair, or a jewel
PATCH = 0.02  # sigma of the blur of that difference, and of its seam
MOVING = 0.03  # width of the rim of eyes and lips in which it does not count
COMMON = (1, 99)  # percentiles of the colours of the photo's face, which a face has at least and at most


Part = tuple[slice, slice]  # rows and columns of a picture


@dataclass(frozen=True)
class Laid:
    """Face [H, W, 3] to be laid on a part of its photo, where there is a `share` of at most [H, W, 1] of it.

    `motion` [S, S, 2] is how far what the photo shows at each place has come, all over it.
    """

    face: NDArray[np.float32]
    motion: NDArray[np.float32]
    share: NDArray | float = 1.0


class Plain:
    """A face as the generator draws it, with the colour and light of the photo alone."""

    def __init__(self, photo: NDArray, still: NDArray, inside: NDArray, *, low: float) -> None:
        """Compare a `still` u1 [S, S, 3] with its photo, `inside` [SMALL, SMALL] of its face.

        Colour and light are what a blur of sigma `low` leaves.
        """
        self._low = _lacking(photo, still, inside, sigma=low)

    def there(self, points: NDArray) -> NDArray:
        """Landmarks [P, 2] on the photo of a face that has `points` [P, 2] in a frame."""
        return points

    def __call__(self, frame: NDArray[np.uint8], motion: NDArray, points: NDArray, part: Part) -> Laid:
        """Lay a frame u1 [S, S, 3] with landmarks `points` [P, 2] on a `part` of the photo.

        `motion` [G, G, 2] is how far the landmarks of the still have come, and what is between them.
        """
        motion = _resized(motion, len(frame))
        return Laid(frame[part] + _sampled(self._low, (cells(len(frame)) - motion)[part]), motion)


class Details:
    """All that a photo shows of a face, moved as frames of the generator move its `still`."""

    def __init__(
        self,
        photo: NDArray[np.uint8],
        still: NDArray[np.uint8],
        inside: NDArray,
        *,
        motion: NDArray,
        points: NDArray,
        scheme: Scheme,
        low: float,
    ) -> None:
        """Find what a `still` u1 [S, S, 3] shows on its photo of that size.

        `motion` [G, G, 2] leads the landmarks of the photo to those of the still, `points` [P, 2], and
        `inside` [SMALL, SMALL] is 1 on the face of the still. For `low` see `Plain`.
        """
        self.scheme, self.points = scheme, points
        self.size, self.side = len(still), min(FLOW, len(still))
        self._places = cells(self.side)
        self._still = _reduced(still, self.side)
        self._alike = np.ones((self.side, self.side), np.float32)
        self._beside = self._matched(_reduced(photo, self.side), motion, points)
        self._all = cells(self.size)
        away = self._all + _resized(self._beside, self.size)
        shown = _sampled(photo.astype(np.float32), away, cv2.INTER_CUBIC)
        skin = inside * (1 - features.filled(features.outlines(points, scheme), SMALL, rim=RIM))
        self._low, self._skin = (_lacking(shown, still, part, sigma=low) for part in (inside, skin))
        self._fine = shown - still - _resized(self._low, self.size)
        self._alike = _alike(_reduced(shown - still, self.side), points, scheme)
        self._colours = _colours(shown, inside)
        self._offsets = _sampled(self._beside, points[None].astype(np.float32))[0]

    def there(self, points: NDArray) -> NDArray:
        """Landmarks [P, 2] on the photo of a face that has `points` [P, 2] in a frame."""
        return points + self._offsets

    def __call__(self, frame: NDArray[np.uint8], motion: NDArray, points: NDArray, part: Part) -> Laid:
        """Lay what the photo shows on a frame u1 [S, S, 3] with landmarks `points` [P, 2].

        For `motion` see `Plain`. The face lies beside the frame's as the photo's lies beside the still's, so
        that at rest it is the photo's in its place.
        """
        motion, small = _resized(motion, self.side), _reduced(frame, self.side)
        origin = self._origin(small, motion)
        beside = _sampled(self._beside, origin)
        here = self._places
        for _ in range(ROUNDS):  # here + beside(here) is the place itself
            here = self._places - _sampled(beside, here)
        known = self._known(small, origin) * features.as_open(points, self.points, self.scheme, self.side)
        alike = _sampled(self._alike, origin)
        origin, motion, known, alike = (_sampled(each, here) for each in (origin, motion, known, alike))
        mouth = features.filled([self.there(points)[list(self.scheme.parts["mouth"][12:])]], self.side)[
            ..., None
        ]
        low, skin = (_sampled(part, origin) for part in (self._low, self._skin))
        tint = low + mouth * (skin - low)
        tint += (1 - known[..., None]) * self._off_colour(_sampled(small, here) + tint)
        motion = _resized(motion, self.size)
        places = self._all[part]
        here, origin, known, alike, tint = (
            _sampled(each, places) for each in (here, origin, known, alike, tint)
        )
        face = _sampled(frame, here, cv2.INTER_CUBIC) + tint
        face += known[..., None] * _sampled(self._fine, origin, cv2.INTER_CUBIC)
        return Laid(face, motion, alike[..., None])

    def _matched(self, photo: NDArray[np.uint8], motion: NDArray, points: NDArray) -> NDArray[np.float32]:
        """How far from each place of the still the photo shows the same, [F, F, 2].

        Landmarks say most of it, flow the rest, inside the face: hair is not alike.
        """
        motion = _resized(motion, self.side)
        bent = _sampled(photo, self._places - motion)
        flow = self._flow(_contours(self._still), _contours(bent))
        length = np.linalg.norm(flow, axis=-1, keepdims=True)
        face = paste.face_mask(points[None], self.scheme, size=self.side, rim=0)[..., None]
        flow = _blurred(flow * face * np.clip(2 - length / FARTHEST, 0, 1), ALIKE)
        return flow - _sampled(motion, self._places + flow)

    def _origin(self, frame: NDArray[np.uint8], motion: NDArray) -> NDArray[np.float32]:
        """Where on the still each place of a frame u1 [F, F, 3] comes from, [F, F, 2].

        Landmarks say most of it, flow the rest, where the photo is like the still.
        """
        before = self._places - motion
        flow = self._flow(_grey(frame), _grey(_sampled(self._still, before)))
        flow = _blurred(flow * _sampled(self._alike, before)[..., None], CALM)
        return self._places + flow - _sampled(motion, self._places + flow)

    def _flow(self, here: NDArray[np.uint8], there: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How far from each place of one grey picture [F, F] the other shows the same, [F, F, 2]."""
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        flow.setFinestScale(FINEST)
        still = np.zeros((*here.shape, 2), np.float32)  # where the search begins
        return np.asarray(flow.calc(here, there, still), np.float32) / np.float32(self.side)

    def _known(self, frame: NDArray[np.uint8], origin: NDArray) -> NDArray[np.float32]:
        """Share [F, F] of a frame u1 [F, F, 3] that the still shows too, at the places `origin` [F, F, 2]."""
        unlike = _resized(frame.astype(np.float32) - _sampled(self._still, origin), SMALL)
        unlike = _blurred(unlike, SOFT) - _blurred(unlike, SHADE)
        squared: NDArray = np.square(unlike).mean(axis=-1)
        off = _blurred(np.sqrt(squared), SOFT)
        small = _resized(origin, SMALL) * SMALL
        down, across = (np.asarray(slope) for slope in np.gradient(small, axis=(0, 1)))
        area = across[..., 0] * down[..., 1] - down[..., 0] * across[..., 1]
        torn, whole = STRETCHED
        share = np.exp(-np.square(off / NEW)) * np.clip((_blurred(area, SOFT) - torn) / (whole - torn), 0, 1)
        return _resized(_blurred(share, SOFT), self.side)

    def _off_colour(self, picture: NDArray) -> NDArray[np.float32]:
        """What brings the colours of a picture [F, F, 3] to those that the photo's face has, [F, F, 3]."""
        shown = np.clip(picture / np.float32(255), 0, 1)
        lab = cv2.cvtColor(shown, cv2.COLOR_RGB2LAB)
        lab[..., 1:] = np.clip(lab[..., 1:], *self._colours)
        return np.asarray(255 * (cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) - shown), np.float32)


def cells(size: int) -> NDArray[np.float32]:
    """Middles [size, size, 2] of pixels, x and y in fractions."""
    middles = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.stack(np.meshgrid(middles, middles), axis=-1)


def _alike(unlike: NDArray, points: NDArray, scheme: Scheme) -> NDArray[np.float32]:
    """Share [F, F] of what photo and still both show, which differ by `unlike` [F, F, 3].

    Eyes and lips always are. Hair over a forehead, a jewel or a beard that only one has is no detail.
    """
    apart = unlike - _blurred(unlike, SHADE)
    strange = np.sqrt(_blurred(np.square(apart), PATCH).mean(axis=-1))
    least, most = STRANGE
    moving = features.filled(features.outlines(points, scheme), len(unlike), rim=MOVING)
    return _blurred(1 - np.clip((strange - least) / (most - least), 0, 1) * (1 - moving), PATCH)


def _colours(shown: NDArray, inside: NDArray) -> NDArray[np.float32]:
    """Least and most [2, 2] on the colour axes of CIELAB, `inside` [SMALL, SMALL] of a pictured face."""
    small = _resized(np.clip(shown / np.float32(255), 0, 1), SMALL)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[inside > 0.5]
    return np.percentile(lab[:, 1:], COMMON, axis=0).astype(np.float32)


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _contours(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey picture [F, F] of an image u1 [F, F, 3] with one mean and contrast everywhere."""
    grey = _grey(image).astype(np.float32)
    apart = grey - _blurred(grey, LOCAL)
    contrast = np.sqrt(_blurred(np.square(apart), LOCAL)) + 5  # grey levels; flat skin has none to bring out
    return np.rint(128 + 40 * apart / contrast).clip(0, 255).astype(np.uint8)


def _lacking(photo: NDArray, still: NDArray, inside: NDArray, *, sigma: float) -> NDArray[np.float32]:
    """Colour and light [SMALL, SMALL, 3] that a `still` lacks `inside` [SMALL, SMALL] of its face."""
    both = (np.rint(picture).clip(0, 255).astype(np.uint8) for picture in (photo, still))
    small = [resampling.resize(picture[None], SMALL)[0].astype(np.float32) for picture in both]
    weight, sigmas = inside[..., None], (sigma * SMALL, sigma * SMALL, 0)
    blurred = gaussian_filter((small[0] - small[1]) * weight, sigmas)
    return (blurred / (gaussian_filter(weight, sigmas) + 1e-3)).astype(np.float32)


def _reduced(image: NDArray, size: int) -> NDArray:
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))


def _resized(field: NDArray, size: int) -> NDArray[np.float32]:
    """A field [H, W, C] of numbers at another size."""
    how = cv2.INTER_AREA if size < len(field) else cv2.INTER_LINEAR
    if size > 2 * len(field):
        how = cv2.INTER_CUBIC
    resized: NDArray = cv2.resize(field, (size, size), interpolation=how)
    return resized


def _blurred(field: NDArray, sigma: float) -> NDArray[np.float32]:
    blurred = cv2.GaussianBlur(field, (0, 0), sigma * len(field), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float32)


def _sampled(field: NDArray, places: NDArray, how: int = cv2.INTER_LINEAR) -> NDArray:
    """A picture or field [H, W, C] at `places` [M, N, 2]: [M, N, C]."""
    x, y = (places[..., axis] * np.float32(field.shape[1 - axis]) - np.float32(0.5) for axis in (0, 1))
    return cv2.remap(field, x, y, how, borderMode=cv2.BORDER_REPLICATE)
