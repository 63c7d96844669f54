import numpy as np
import pytest
from PIL import Image

from d2a_core.faces import search
from d2a_core.faces.mediapipe import FaceModels

EYES = np.array([[204.0, 101.0], [247.0, 103.5]])  # the astronaut's, read off her picture by eye


@pytest.fixture(scope="module")
def models(assets):
    return FaceModels(assets / "mediapipe-face", device="cpu", threads=1)


@pytest.fixture(scope="module")
def astronaut():
    from skimage.data import astronaut

    return Image.fromarray(astronaut())


def _eyes(face):
    return np.array([face.points[60:68].mean(axis=0), face.points[68:76].mean(axis=0)])


def _canvas(*placed, size=(1600, 1200)):
    """A wall of one colour with pictures at (x, y): u1 [H, W, 3]."""
    canvas = Image.new("RGB", size, (120, 110, 90))
    for picture, place in placed:
        canvas.paste(picture, place)
    return np.array(canvas)


def test_the_face_of_a_photograph_is_measured_where_it_is(models, astronaut):
    (face,) = search.find(np.array(astronaut), models)
    assert np.abs(_eyes(face) - EYES).max() < 3
    assert face.score > 0.9 and abs(face.yaw) < 8
    assert face.eye_distance == pytest.approx(np.linalg.norm(EYES[1] - EYES[0]), rel=0.06)


@pytest.mark.parametrize("degrees", [-45, 30, 45, 90])
def test_a_tilted_face_is_found_and_tilted(models, astronaut, degrees):
    (straight,) = search.find(np.array(astronaut), models)
    turned = astronaut.rotate(-degrees, center=(225, 115), resample=Image.Resampling.BICUBIC)
    tilted = search.find(np.array(turned), models)[-1 if degrees == 90 else 0]
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = (straight.points - [225, 115]) @ rotation.T + [225, 115]
    error = np.linalg.norm(tilted.points - expected, axis=1).mean() / straight.eye_distance
    assert error < 0.06


def test_a_face_that_fills_a_small_picture_is_found_although_its_eyes_are_near(models, astronaut):
    small = astronaut.crop((120, 0, 330, 210)).resize((64, 64), Image.Resampling.LANCZOS)
    (face,) = search.find(np.array(small), models)
    assert 8 < face.eye_distance < search.MIN_EYES_PX
    assert search.find(_canvas((small, (600, 300))), models) == []


def test_all_faces_come_largest_first_however_small_and_far_off_centre(models, astronaut):
    photo = _canvas(
        (astronaut.resize((256, 256), Image.Resampling.LANCZOS), (10, 900)),
        (astronaut, (900, 500)),
        (astronaut.resize((320, 320), Image.Resampling.LANCZOS), (1270, 20)),
    )
    found = search.find(photo, models)
    assert len(found) == 3
    for face, scale, corner in zip(found, (1, 0.625, 0.5), ((900, 500), (1270, 20), (10, 900)), strict=True):
        assert np.abs(_eyes(face) - (EYES * scale + corner)).max() < 3


def test_a_face_that_fills_the_photo_is_one_face(models, astronaut):
    closeup = astronaut.crop((172, 55, 282, 180)).resize((880, 1000), Image.Resampling.BICUBIC)
    assert len(search.find(np.array(closeup), models)) == 1


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "brick", "noise", "grey"])
def test_a_photo_without_a_face_has_none(models, name):
    import skimage.data

    if name == "noise":
        photo = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    elif name == "grey":
        photo = np.full((300, 400, 3), 128, np.uint8)
    else:
        photo = np.atleast_3d(getattr(skimage.data, name)()) * np.ones(3, np.uint8)
    assert search.find(photo, models) == []


def _face(x, width, *, yaw=0.0):
    """Points in a square of `width` around (x, 100), the eyes 0.45 widths apart."""
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (98, 2))
    points[:2] = [[-0.5, -0.5], [0.5, 0.5]]
    points[60:68], points[68:76] = [-0.225, -0.2], [0.225, -0.2]
    return search.Face(points * width + [x, 100], 0.9, yaw)


def test_numbers_count_from_the_largest():
    three = [_face(100, 300), _face(600, 200), _face(900, 120)]
    assert [search.choose(three, number, path="p.jpg") for number in (0, 1, 2, 3)] == [three[0], *three]


def test_a_wrong_number_is_one_sentence_with_count_and_places():
    with pytest.raises(ValueError, match="p.jpg has no face number 4: 2 found, 1 at x=") as caught:
        search.choose([_face(100, 300), _face(600, 200)], 4, path="p.jpg")
    assert "2 at x=6" in str(caught.value) and "(200 px)" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="no face found on p.jpg; give a photo"):
        search.choose([], 0, path="p.jpg")


def test_looks_cover_the_photo_and_overlap():
    sides = []
    for side, corners in search.looks(3000, 4000):
        sides.append(side)
        for length, starts in ((4000, np.unique(corners[:, 0])), (3000, np.unique(corners[:, 1]))):
            assert starts[0] <= 0 and starts[-1] + side >= length
            assert (np.diff(starts) <= 0.5 * side + 1e-9).all()
    assert sides[:2] == [6000, 4000] and sides[-1] == pytest.approx(640)
    assert len(list(search.looks(64, 500))) == 2  # wider than the photo, and all of it
    assert sum(len(corners) for _, corners in search.looks(9000, 12000)) < 1500  # seconds, not minutes


@pytest.mark.parametrize(("centre", "side"), [((625, 420), 500), ((900, 500), 1100), ((500, 300), 1700)])
def test_a_glance_sees_a_face_in_its_square_wherever_that_reaches(models, astronaut, centre, side):
    wall = _canvas((astronaut, (400, 300)))  # her face is at (625, 410) there
    (region,) = search.glance(wall, models, centre=np.array(centre), side=side)
    assert np.abs(region[:2] - [625, 410]).max() < 25 and 120 < region[2] < 220


def test_a_glance_sees_everybody_in_its_square_and_nobody_else(models, astronaut):
    wall = _canvas((astronaut, (0, 300)), (astronaut, (450, 300)), (astronaut, (1050, 300)))
    regions = search.glance(wall, models, centre=np.array([450, 410]), side=900)
    assert sorted(regions[:, 0]) == pytest.approx([225, 675], abs=25)
