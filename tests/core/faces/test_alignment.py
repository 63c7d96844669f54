import json

import numpy as np
import pytest

from d2a_core.faces import alignment, detectors, landmarks, paste, search
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.mediapipe import FaceModels
from d2a_core.faces.schemes import WFLW98


@pytest.fixture
def face():
    """A frontal face in the middle of a unit image, [1, 98, 2]."""
    return 0.25 * template_of(WFLW98)[None, :, :2] + [0.5, 0.4]


def _similar(points, scale, degrees, shift):
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return scale * points @ rotation.T + shift


def test_layout_of_a_frontal_face_is_upright_and_twice_the_eyes_wide(face):
    crop = alignment.layout(face, WFLW98)
    left, right = (face[0, list(eye)].mean(axis=0) for eye in (WFLW98.left_eye, WFLW98.right_eye))
    mouth = face[0, [76, 82]].mean(axis=0)
    across, down = np.linalg.norm(right - left), np.linalg.norm(mouth - (left + right) / 2)
    assert crop.axis[0, 1] == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(crop.axis[0]) == pytest.approx(max(2 * across, 1.8 * down))
    assert crop.centre[0] == pytest.approx((left + right) / 2 + 0.1 * (mouth - (left + right) / 2))


def test_alignment_undoes_scale_rotation_and_shift(face):
    moved = np.concatenate([face, _similar(face, 300, 20, [120, 60]), _similar(face, 80, -35, [10, 400])])
    reference = alignment.layout(face, WFLW98)
    aligned = alignment.align(moved, alignment.layout(moved, WFLW98), reference)
    for row in aligned:
        assert row == pytest.approx(face[0], abs=1e-6)


def test_a_crop_and_its_inverse_are_exact_and_keep_corners():
    turn = 0.37 * np.exp(0.5j)
    corners = np.array([0, 1024j, 1024 + 1024j, 1024]) * turn + (210 - 35j)
    crop = alignment.Crop(np.stack((corners.real, corners.imag), axis=-1))
    points = np.random.default_rng(0).uniform(-500, 2000, (5, 98, 2))
    assert crop.to_crop(crop.to_photo(points)) == pytest.approx(points, abs=1e-8)
    assert crop.to_photo([[0, 0], [0, 1024], [1024, 1024], [1024, 0]]) == pytest.approx(crop.quad)
    assert crop.side == pytest.approx(0.37 * 1024)
    back = alignment.crop_from_facts(json.loads(json.dumps(crop.facts())))
    assert (back.quad == crop.quad).all() and back.size == crop.size


def test_the_crop_of_a_face_puts_it_where_the_reference_lies(face):
    reference = alignment.layout(face, WFLW98)
    moved = _similar(face, 300, 25, [400, 160])
    crop = alignment.crop_of(moved[0], reference, WFLW98)
    assert crop.to_crop(moved[0]) == pytest.approx(face[0] * 1024, abs=1e-6)


def test_the_plain_crop_is_the_square_of_karras_et_al(face):
    """Independent of `layout`: the formula of the FFHQ paper written out for one face."""
    points = _similar(face, 400, -12, [300, 500])[0]
    left, right = points[60:68].mean(axis=0), points[68:76].mean(axis=0)
    down = points[[76, 82]].mean(axis=0) - (left + right) / 2
    x = (right - left) - np.array([-down[1], down[0]])
    x *= max(2.0 * np.hypot(*(right - left)), 1.8 * np.hypot(*down)) / np.hypot(*x)
    y = np.array([-x[1], x[0]])
    c = (left + right) / 2 + 0.1 * down
    quad = np.stack([c - x - y, c - x + y, c + x + y, c + x - y])
    assert alignment.crop_of(points, alignment.FFHQ, WFLW98).quad == pytest.approx(quad)


def _waves(height, width):
    """A smooth picture with a known formula, so that any resampling of it has a known answer."""
    y, x = np.mgrid[:height, :width] + 0.5
    return _wave(np.stack((x, y), axis=-1)).round().astype(np.uint8)


def _wave(points):
    x, y = np.moveaxis(points, -1, 0)
    return 128 + 90 * np.stack((np.sin(x / 31), np.cos(y / 47), np.sin((x + y) / 59)), axis=-1)


@pytest.mark.parametrize("scale", [0.2, 0.9, 1.7, 4.5])
def test_an_aligned_picture_shows_what_lies_in_the_quad(scale):
    size = 128
    corners = np.array([0, 1j, 1 + 1j, 1]) * size * scale * np.exp(0.3j) + (300 + 120j)
    crop = alignment.Crop(np.stack((corners.real, corners.imag), axis=-1), size)
    picture = alignment.extract(_waves(900, 1000), crop)
    pixels = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1) + 0.5
    error = picture - _wave(crop.to_photo(pixels))
    assert np.abs(error).mean() < 1.5 and abs(error.mean()) < 0.3


def test_beyond_the_photo_it_is_continued_and_the_inside_is_untouched():
    photo = _waves(300, 300)
    crop = alignment.Crop(np.array([[-150.0, 50], [-150, 250], [50, 250], [50, 50]]), 200)
    picture = alignment.extract(photo, crop)
    assert np.abs(picture[:, 190:].astype(int) - photo[50:250, 40:50]).max() <= 1
    assert picture[:, :150].std() > 3  # no flat border
    assert np.abs(np.diff(picture[:, 140:160].astype(int), axis=1)).max() < 15  # no seam
    assert picture[:, 5].std(axis=0).mean() < 0.6 * picture[:, 148].std(axis=0).mean()  # fades to one colour


def test_a_photo_of_one_colour_stays_that_colour_everywhere():
    photo = np.full((80, 90, 3), (200, 100, 50), np.uint8)
    crop = alignment.Crop(np.array([[-40.0, -60], [-40, 140], [160, 140], [160, -60]]), 64)
    assert (alignment.extract(photo, crop) == (200, 100, 50)).all()


@pytest.fixture(scope="module")
def finder(assets):
    """Aligns the largest face of a photo; the crop."""
    models = FaceModels(assets / "mediapipe-face", device="cpu", threads=1)
    options = landmarks.Options(detector="facemesh", min_score=0.5, box="ffhq", weights=None)
    detector = detectors.load_detector(options, assets / "mediapipe-face", device="cpu", threads=1)

    def find(photo):
        face = search.choose(search.find(photo, models), 0, path="photo")
        return alignment.find_crop(photo, face.points, detector, REFERENCE)

    return find


# Of 2,400 faces sampled from the FFHQ generator and measured with FaceMesh
REFERENCE = alignment.Layout(np.array([[0.499, 0.4993]]), np.array([[0.4879, -0.0011]]))


@pytest.fixture(scope="module")
def aligned(finder):
    """A face at the place of FFHQ's faces, u1 [1024, 1024, 3], and the crop that aligning it again gives."""
    from skimage.data import astronaut

    face = alignment.extract(astronaut(), finder(astronaut()))
    return face, finder(face)


@pytest.mark.parametrize(("scale", "degrees"), [(0.3, 0), (0.5, -24), (0.6, 40)])
def test_a_face_placed_anywhere_is_aligned_as_it_is_alone(aligned, finder, scale, degrees):
    face, alone = aligned
    turn = scale * np.exp(1j * np.radians(degrees))
    corners = np.array([0, 1024j, 1024 + 1024j, 1024]) * turn + (630 + 40j if degrees > 0 else 300 + 400j)
    placed = alignment.Crop(np.stack((corners.real, corners.imag), axis=-1))
    wall = np.full((1100, 1300, 3), (110, 120, 100), np.uint8)
    photo = paste.paste_back(wall, face, placed, np.ones((1024, 1024), np.float32))
    found = finder(photo)
    marks = np.array([[380.0, 490], [644, 490], [512, 640], [430, 720], [594, 720]])  # eyes, nose, mouth
    error = np.linalg.norm(found.to_crop(placed.to_photo(marks)) - alone.to_crop(marks), axis=1)
    assert error.mean() / (0.334 * 1024) < 0.01  # of the inter-ocular distance of a typical sample
    assert np.linalg.norm(alone.to_crop(marks) - marks, axis=1).mean() / (0.334 * 1024) < 0.04


def test_an_aligned_photograph_has_eyes_and_mouth_where_samples_have_them(finder):
    from skimage.data import astronaut

    crop = finder(astronaut())
    eyes = crop.to_crop(np.array([[204.0, 101], [247, 103.5]])) / 1024  # read off by eye
    assert eyes == pytest.approx(np.array([[0.377, 0.476], [0.622, 0.476]]), abs=0.012)
    picture = alignment.extract(astronaut(), crop)
    assert picture.shape == (1024, 1024, 3) and picture.dtype == np.uint8
