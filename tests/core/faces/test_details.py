import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from d2a_core.faces import stitching
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.faces.stitching import Stitcher

SIZE = 256
FACE = (0.22 * template_of(WFLW98)[:, :2] + [0.5, 0.5]).astype(np.float32)
CHEEK = FACE[[4, 76, 57]].mean(axis=0)  # between jaw, corner of the mouth and nose
EYE = FACE[list(WFLW98.left_eye)].mean(axis=0)


def _smooth(seed):
    """A picture with something to see everywhere, as skin under a lens."""
    grey = gaussian_filter(np.random.default_rng(seed).standard_normal((SIZE, SIZE)), 4)
    levels = np.rint(128 + 25 * grey / grey.std()).clip(0, 255).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


def _spotted(picture, place, colour, radius=4):
    rows, columns = np.indices(picture.shape[:2])
    near = np.hypot(columns + 0.5 - place[0] * SIZE, rows + 0.5 - place[1] * SIZE) < radius
    return np.where(near[..., None], np.array(colour, np.uint8), picture)


def _at(picture, place):
    return picture[round(place[1] * SIZE), round(place[0] * SIZE)].astype(int)


STILL = _smooth(1)
FRECKLED = _spotted(STILL, CHEEK, (255, 0, 0))


def test_at_rest_a_picture_is_its_photo_whatever_the_code_lacks():
    made = Stitcher(FRECKLED, STILL, FACE, WFLW98, seen=FACE)(STILL, FACE)
    assert np.abs(made.astype(int) - FRECKLED).mean() < 0.5
    assert _at(made, CHEEK) == pytest.approx([255, 0, 0], abs=12)
    plain = Stitcher(FRECKLED, STILL, FACE, WFLW98)(STILL, FACE)
    assert abs(_at(plain, CHEEK) - [255, 0, 0]).max() > 100


@pytest.mark.parametrize("step", [(8, 0), (0, 6), (-5, 5)])
def test_a_freckle_goes_with_the_face(step):
    frame = shift(STILL, (step[1], step[0], 0), order=1, mode="nearest")
    made = Stitcher(FRECKLED, STILL, FACE, WFLW98, seen=FACE)(frame, FACE + np.array(step) / SIZE)
    red = made[..., 0].astype(int) - made[..., 1]
    rows, columns = np.nonzero(red > 120)
    place = np.array([columns.mean() + 0.5, rows.mean() + 0.5]) / SIZE
    assert (place - CHEEK) * SIZE == pytest.approx(np.array(step), abs=1)
    assert len(rows) == pytest.approx(np.pi * 4**2, rel=0.5)


def test_an_eye_of_the_photo_does_not_look_through_a_lid():
    photo, still = _spotted(STILL, EYE, (0, 0, 160), 6), _spotted(STILL, EYE, (60, 60, 60), 6)
    stitcher = Stitcher(photo, still, FACE, WFLW98, seen=FACE)
    opened, closed = stitcher(still, FACE), stitcher(_spotted(STILL, EYE, (225, 180, 170), 8), FACE)
    assert _at(opened, EYE) == pytest.approx([0, 0, 160], abs=12)
    assert _at(closed, EYE)[0] > 180 and _at(closed, EYE)[1] > 130


def test_of_an_eye_that_is_shut_nothing_of_the_photos_is_left():
    """The frame looks as the still does: its landmarks alone say that the lids have met."""
    photo, still = _spotted(STILL, EYE, (0, 0, 160), 6), _spotted(STILL, EYE, (60, 60, 60), 6)
    shut = FACE.copy()
    for upper, lower in WFLW98.openings[0]:
        shut[[upper, lower]] = shut[[upper, lower]].mean(axis=0)
    made = Stitcher(photo, still, FACE, WFLW98, seen=FACE)(still, shut)
    assert np.abs(_at(made, EYE) - [60, 60, 60]).max() < 40 < 160 - 60


def test_a_feature_that_the_code_puts_elsewhere_stays_where_the_photo_has_it():
    """The corner of the mouth of the photo lies 3 px lower than that of the still."""
    corner = FACE[76]
    seen = FACE.copy()
    seen[list(WFLW98.parts["mouth"])] += [0, 3 / SIZE]
    photo = _spotted(STILL, corner + [0, 3 / SIZE], (0, 255, 0))
    still = _spotted(STILL, corner, (0, 200, 0))
    made = Stitcher(photo, still, FACE, WFLW98, seen=seen)(still, FACE)
    green = made[..., 1].astype(int) - made[..., 0]
    rows = np.nonzero(green > 120)[0]
    assert rows.mean() + 0.5 - corner[1] * SIZE == pytest.approx(3, abs=0.7)


def test_a_jewel_that_only_the_code_wears_is_not_shown():
    place = FACE[4] + [0.02, 0]  # beside the jaw
    worn = _spotted(STILL, place, (255, 255, 255), 5)
    made = Stitcher(STILL, worn, FACE, WFLW98, seen=FACE)(np.roll(worn, 1, axis=1), FACE + [1 / SIZE, 0])
    plain = Stitcher(STILL, worn, FACE, WFLW98)(np.roll(worn, 1, axis=1), FACE + [1 / SIZE, 0])
    assert (_at(plain, place + [1 / SIZE, 0]) - _at(STILL, place)).min() > 60
    assert np.abs(_at(made, place + [1 / SIZE, 0]) - _at(STILL, place)).max() < 30


def test_what_is_new_has_no_colour_that_the_face_of_the_photo_has_not():
    lips = FACE[[76, 82]].mean(axis=0)
    made = Stitcher(STILL, STILL, FACE, WFLW98, seen=FACE)(_spotted(STILL, lips, (255, 0, 255), 6), FACE)
    assert np.ptp(_at(made, lips)) < 40 < 255


@pytest.mark.parametrize("seen", [None, FACE], ids=["face", "photo"])
def test_a_face_that_has_left_the_picture_costs_no_video(seen):
    made = Stitcher(FRECKLED, STILL, FACE, WFLW98, seen=seen)(STILL, FACE + 3)
    assert made.shape == STILL.shape


def test_without_a_face_on_the_photo_the_face_is_the_generators():
    class Sightless:
        scheme = WFLW98

        def detect(self, images):
            found = np.array([bool((image == STILL).all()) for image in images])
            points = np.where(found[:, None, None], FACE, np.nan)
            return type("Seen", (), {"points": points, "found": found})

    one, other = (stitching.on_photo(FRECKLED, STILL, Sightless(), kind=kind) for kind in ("photo", "face"))
    assert (one(STILL, FACE) == other(STILL, FACE)).all()
