"""What a user should know of a photo: what on it costs likeness, and why no face is found on it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from d2a_core.faces import search
from d2a_core.faces.mediapipe import FaceModels
from d2a_core.faces.schemes import WFLW98
from d2a_core.faces.search import SMALL_EYES_PX, Face

FAR_TURNED = 40  # degrees of yaw beyond which FFHQ, on which generators are trained, has hardly a face
SURE = 0.9  # of the mesh, which gives faces 0.98 and more
CUT = 0.05  # share of a face's points beyond the edge of the photo, from which it is no rounding
LUMA = (0.299, 0.587, 0.114)
DARK = 45  # of 255; where hardly a pixel is brighter, a face in low light
WHITE = 250  # of 255, in all colours: burnt out, or paper
MUCH_BLANK = 0.4  # share of a face, or of a photo; a strong JPEG has up to 0.2
SHARP = (
    0.015  # deviation that a blur of one pixel takes, of the range of light; sharp photos have 0.02 to 0.1
)
COVERED = 0.06  # deviation within an eye or mouth, of the range of light in its face; others have 0.1 to 0.5
INNER = 0.35  # of the size of an eye or mouth, radius around its middle in which it shows, open or closed
FEATURES = {
    "the left eye": WFLW98.left_eye,
    "the right eye": WFLW98.right_eye,
    "the mouth": WFLW98.parts["mouth"],
}
COARSE_PX = 1000  # side at which the light of a whole photo is measured
FLAT = 4  # of 255, from the darkest to the brightest pixels, which show nothing
SMALLEST_EYES_PX = 6  # distance of the eye centres down to which something is said to be a small face


def about(face: Face, image: NDArray[np.uint8], *, path: object, count: int = 1) -> tuple[str, ...]:
    """A sentence for each thing about a face on a photo u1 [H, W, 3] that costs likeness.

    `count` is how many faces there are, when nobody has chosen this one among them.
    """
    shown = _within(face, image)
    cut, blank = _share_outside(face, image), _share_blank(shown)
    covered = _covered(face, image, spread=np.ptp(np.percentile(shown @ LUMA, [5, 95])))
    remarks = {
        f"{count} faces are on {path} and the largest is taken; `face` chooses, 2 is the next": count > 1,
        **_of_shape(face, path),
        f"nothing is seen of {' and '.join(covered)} on {path}, so it is made up; give a picture that shows "
        "it if there is one": len(covered) > 0,
        f"{100 * cut:.0f} % of the face on {path} lie beyond its edge and are made up; give a picture with "
        "the whole face if there is one": cut > CUT,
        f"the face on {path} is blurred, or enlarged from a small picture, and the likeness suffers; give a "
        "sharper one if there is one": _detail(shown, face.eye_distance) < SHARP,
        f"the face on {path} is very dark and the likeness suffers; brighten it, or give a picture in better "
        "light": np.percentile(shown @ LUMA, 95) < DARK,
        f"{100 * blank:.0f} % of the face on {path} have no shading, as on a drawing, under a cover or in "
        "too much light, and are made up; give a photograph of the face if there is one": blank > MUCH_BLANK,
    }
    return tuple(sentence for sentence, holds in remarks.items() if holds)


def _of_shape(face: Face, path: object) -> dict[str, bool]:
    """Sentences about the points of a face alone, and whether they hold."""
    turned = abs(face.yaw)
    return {
        f"what is on {path} may be no face, the mesh is {100 * face.score:.0f} % sure of it; give another "
        "picture if the result is none": face.score < SURE,
        f"the eyes on {path} are {face.eye_distance:.0f} px apart; below {SMALL_EYES_PX} px the likeness "
        "suffers, so give a larger picture of the face if there is one": face.eye_distance < SMALL_EYES_PX,
        f"the face on {path} is turned aside by {turned:.0f} degrees; beyond {FAR_TURNED} the likeness "
        "suffers, so give a picture that looks more into the camera if there is one": turned > FAR_TURNED,
    }


def why_none(image: NDArray[np.uint8], models: FaceModels, *, path: object) -> str | None:
    """Why `search.find` finds no face on a photo u1 [H, W, 3], with the remedy; None where nobody knows."""
    step = 1 + max(image.shape) // COARSE_PX
    coarse = image[::step, ::step]
    darkest, brightest = np.percentile(coarse @ LUMA, [1, 99])
    if brightest - darkest < FLAT and darkest > 0:
        return f"no face found on {path}, which is of one colour; give a photo of a face"
    if brightest < DARK:
        return f"no face found on {path}, which is very dark; brighten it, or give a photo in better light"
    head_down = search.find(np.ascontiguousarray(image[::-1, ::-1]), models, min_score=SURE)
    if head_down and _share_outside(head_down[0], image) <= CUT:
        return f"the face on {path} stands on its head; turn the photo by 180 degrees"
    small = search.find(image, models, least_px=SMALLEST_EYES_PX)
    if small:
        return (
            f"what may be a face on {path} is only {small[0].width:.0f} px wide; give a picture on which it "
            f"has {2 * SMALL_EYES_PX} px or more"
        )
    white = (coarse.min(axis=2) >= WHITE).mean()
    if white > MUCH_BLANK:
        return (
            f"no face found on {path}, {100 * white:.0f} % of which are pure white; give a photo of a human "
            "face that is not overexposed"
        )
    return None


def _share_outside(face: Face, image: NDArray[np.uint8]) -> float:
    """Share of a face's points that lie beyond the edge of its photo."""
    outside = (face.points < 0) | (face.points > [image.shape[1], image.shape[0]])
    return float(outside.any(axis=1).mean())


def _covered(face: Face, image: NDArray[np.uint8], *, spread: float) -> list[str]:
    """Features of a face in whose place its photo is of one shade, as under dark glasses, a mask or a hat.

    `spread` is the range of light in the face. The far eye of one that is turned aside is nobody's fault.
    """
    if abs(face.yaw) > FAR_TURNED:
        return []
    return [
        name
        for name, indices in FEATURES.items()
        if _deviation(face.points[list(indices)], image) < COVERED * spread
    ]


def _deviation(points: NDArray[np.float64], image: NDArray[np.uint8]) -> float:
    """Standard deviation of the light in the middle of a feature's `points` [P, 2]; ∞ beyond the photo."""
    middle = points.mean(axis=0)
    radius = INNER * float(np.linalg.norm(np.ptp(points, axis=0)))
    left, top = np.maximum(np.floor(middle - radius), 0).astype(int)
    right, bottom = np.maximum(np.ceil(middle + radius), 0).astype(int)
    light = image[top:bottom, left:right] @ LUMA
    down, across = np.indices(light.shape)
    disc = (across + left + 0.5 - middle[0]) ** 2 + (down + top + 0.5 - middle[1]) ** 2 <= radius**2
    return float(light[disc].std()) if disc.any() else np.inf


def _detail(shown: NDArray[np.uint8], eye_distance: float) -> float:
    """Finest detail of a face that is `shown`, as a share of its range of light.

    That is what a blur of one pixel takes where the eyes are `SMALL_EYES_PX` apart, or less.
    """
    picture = Image.fromarray(shown).convert("L")
    if eye_distance > SMALL_EYES_PX:
        width, height = (max(1, round(side * SMALL_EYES_PX / eye_distance)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX)
    light = np.asarray(picture, np.float32)
    detail = light - np.asarray(picture.filter(ImageFilter.GaussianBlur(1)), np.float32)
    spread = float(np.ptp(np.percentile(light, [5, 95])))
    return float(detail.std()) / spread if spread else np.inf  # of one colour: see `_share_blank`


def _share_blank(shown: NDArray[np.uint8]) -> float:
    """Share of pixels that show nothing: they are white, or equal to those below and to the right."""
    here = shown[:-1, :-1]
    even = (here == shown[1:, :-1]).all(axis=2) & (here == shown[:-1, 1:]).all(axis=2)
    blank = even | (here.min(axis=2) >= WHITE)
    return float(blank.mean()) if blank.size else 0.0


def _within(face: Face, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of a photo that a face covers, at least a pixel."""
    height, width = image.shape[:2]
    left, top, right, bottom = (int(edge) for edge in face.box)
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]
