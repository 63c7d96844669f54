import re

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from d2a_core.faces import remarks, search
from d2a_core.faces.mediapipe import FaceModels

GREY = np.full((600, 600, 3), 120, np.uint8)
RAMP = np.repeat((np.indices((600, 600)).sum(axis=0) % 200 + 50)[..., None], 3, axis=2).astype(np.uint8)
BOX = (178, 85, 273, 174)  # around the astronaut's face


@pytest.fixture(scope="module")
def models(assets):
    return FaceModels(assets / "mediapipe-face", device="cpu", threads=1)


@pytest.fixture(scope="module")
def astronaut():
    from skimage.data import astronaut

    return Image.fromarray(astronaut())


def _face(x, width, *, score=1.0, yaw=0.0):
    """Points in a square of `width` around (x, 300), on its edge and inside, the eyes 0.45 widths apart."""
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (98, 2))
    points[:2] = [[-0.5, -0.5], [0.5, 0.5]]
    points[60:68], points[68:76] = [-0.225, -0.2], [0.225, -0.2]
    return search.Face(points * width + [x, 300], score, yaw)


def _about(face, image=RAMP, **options):
    return remarks.about(face, image, path="p.jpg", **options)


def test_nothing_is_said_of_a_large_face_that_looks_into_the_camera():
    assert _about(_face(300, 200)) == ()


@pytest.mark.parametrize(
    ("face", "words"),
    [
        (_face(300, 80), "the eyes on p.jpg are 36 px apart; below 48 px"),
        (_face(300, 200, yaw=-62.0), "the face on p.jpg is turned aside by 62 degrees; beyond 40"),
        (_face(300, 200, score=0.65), "what is on p.jpg may be no face, the mesh is 65 % sure of it"),
    ],
)
def test_small_averted_and_doubtful_faces_are_remarked_on(face, words):
    (remark,) = _about(face)
    assert remark.startswith(words) and "; " in remark


def test_of_several_faces_the_choice_is_told_unless_somebody_chose():
    (remark,) = _about(_face(300, 200), count=3)
    assert remark == "3 faces are on p.jpg and the largest is taken; `face` chooses, 2 is the next"
    assert _about(_face(300, 200), count=1) == ()


@pytest.mark.parametrize("edge", [0, 600])
def test_what_of_a_face_lies_beyond_the_edge_is_told_in_percent(edge):
    face = _face(edge, 200)
    beyond = (face.points[:, 0] < 0) if edge == 0 else (face.points[:, 0] > 600)
    (remark,) = _about(face)
    assert remark.startswith(f"{100 * beyond.mean():.0f} % of the face on p.jpg lie beyond its edge")


@pytest.mark.parametrize(("factor", "dark"), [(0.04, True), (0.15, True), (0.3, False), (1, False)])
def test_a_face_in_low_light_is_told(factor, dark):
    noise = np.random.default_rng(0).integers(0, 3, RAMP.shape)
    photo = (RAMP * factor + noise).astype(np.uint8)
    assert ["is very dark" in remark for remark in _about(_face(300, 200), photo)] == [True] * dark


@pytest.mark.parametrize(("even", "said"), [(0.3, False), (0.5, True), (1.0, True)])
@pytest.mark.parametrize("level", [120, 255])
def test_what_of_a_face_has_no_shading_is_told_in_percent(even, said, level):
    photo = RAMP.copy()
    photo[:, : 200 + round(200 * even)] = level
    told = _about(_face(300, 200), photo)
    assert len(told) == said
    assert all(
        re.match(rf"{100 * even:.0f} % of the face on p.jpg have no shading", remark) for remark in told
    )


def _scaled(picture, factor):
    return np.clip(np.asarray(picture, np.float32) * factor, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.15, "the face on p.jpg is very dark"),
        (0.04, "the face on p.jpg is very dark"),
        (2, "have no shading"),
    ],
)
def test_a_face_in_odd_light_is_found_and_the_light_told(models, astronaut, factor, words):
    photo = _scaled(astronaut, factor)
    (face,) = search.find(photo, models)
    assert np.abs(np.array(face.box) - BOX).max() < 5
    assert any(words in remark for remark in _about(face, photo))


@pytest.mark.parametrize("cut", [(209, 0, 512, 512), (0, 100, 512, 512), (0, 0, 512, 156)])
def test_a_face_that_the_edge_cuts_is_found_and_the_cut_told(models, astronaut, cut):
    photo = np.array(astronaut.crop(cut))
    (face,) = search.find(photo, models)
    assert any("beyond its edge" in remark for remark in _about(face, photo))


COVERS = {  # on the astronaut: ellipses and rectangles in one colour
    "nothing": ([], None),
    "a hat": ([("rectangle", (130, 0, 320, 92))], None),
    "frames of glasses": ([("frame", (186, 85, 222, 119)), ("frame", (229, 87, 265, 121))], None),
    "dark glasses": (
        [("ellipse", (184, 82, 224, 121)), ("ellipse", (227, 84, 267, 123))],
        "the left eye and the right eye",
    ),
    "a patch": ([("ellipse", (184, 82, 224, 121))], "the left eye"),
    "a mask": ([("rectangle", (170, 125, 280, 200))], "the mouth"),
}


@pytest.mark.parametrize("name", COVERS)
def test_eyes_and_a_mouth_that_something_covers_are_told(models, astronaut, name):
    shapes, covered = COVERS[name]
    picture = astronaut.copy()
    draw = ImageDraw.Draw(picture)
    for kind, place in shapes:
        if kind == "frame":
            draw.ellipse(place, outline=(20, 20, 20), width=4)
        else:
            getattr(draw, kind)(place, fill=(30, 40, 60))
    photo = np.array(picture)
    (face,) = search.find(photo, models)
    told = [remark for remark in _about(face, photo) if remark.startswith("nothing is seen of ")]
    assert [remark.split(" on p.jpg")[0] for remark in told] == [f"nothing is seen of {covered}"] * bool(
        covered
    )


def _enlarged(picture, side, enlarged):
    small = picture.resize((side, side), Image.Resampling.BOX)
    return small.resize((enlarged, enlarged), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda picture: picture, False),
        (lambda picture: _enlarged(picture, 512, 2048), False),
        (lambda picture: _enlarged(picture, 128, 1536), True),
        (lambda picture: picture.filter(ImageFilter.GaussianBlur(4)), True),
    ],
)
def test_a_face_that_is_blurred_or_blown_up_is_told(models, astronaut, change, said):
    photo = np.array(change(astronaut))
    (face,) = search.find(photo, models)
    assert any("is blurred, or enlarged" in remark for remark in _about(face, photo)) == said


def test_a_drawn_face_may_be_found_and_is_told(models):
    picture = Image.new("RGB", (600, 600), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((100, 100, 500, 500), outline="black", width=6)
    for x in (230, 370):
        draw.ellipse((x - 18, 232, x + 18, 268), fill="black")
    draw.arc((220, 320, 380, 430), 20, 160, fill="red", width=8)
    (face,) = search.find(np.array(picture), models)
    assert any("have no shading, as on a drawing" in remark for remark in _about(face, np.array(picture)))


NONE = {
    "black": (lambda photo: _scaled(photo, 0), "p.jpg, which is very dark; brighten it"),
    "almost black": (lambda photo: _scaled(photo, 0.02), "p.jpg, which is very dark; brighten it"),
    "one colour": (lambda photo: GREY, "p.jpg, which is of one colour; give a photo of a face"),
    "burnt out": (lambda photo: _scaled(photo, 8), "67 % of which are pure white; give a photo of a human"),
    "on its head": (lambda photo: np.array(photo.rotate(180)), "stands on its head; turn the photo by 180"),
    "tiny": (lambda photo: np.array(photo.resize((128, 128))), "is only 2[2345] px wide; give a picture on"),
}  # fmt: skip


@pytest.mark.parametrize("name", NONE)
def test_why_no_face_is_found_is_said_with_the_remedy(models, astronaut, name):
    change, words = NONE[name]
    photo = change(astronaut)
    assert search.find(photo, models) == []
    why = remarks.why_none(photo, models, path="p.jpg")
    assert why is not None and re.search(words, why), why


@pytest.mark.parametrize("name", ["coffee", "chelsea", "gravel", "half a face", "a forehead"])
def test_nothing_is_made_up_about_a_photo_without_a_face(models, astronaut, name):
    import skimage.data

    crops = {"half a face": (226, 0, 512, 512), "a forehead": (0, 0, 512, 129)}
    if name in crops:
        photo = np.array(astronaut.crop(crops[name]))
    else:
        photo = np.atleast_3d(getattr(skimage.data, name)()) * np.ones(3, np.uint8)
    assert search.find(photo, models) == []
    assert remarks.why_none(photo, models, path="p.jpg") is None
