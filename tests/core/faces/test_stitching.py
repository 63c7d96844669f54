from types import SimpleNamespace

import numpy as np
import pytest

from d2a_core.faces import paste, stitching
from d2a_core.faces.alignment import Crop
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.faces.stitching import Stitcher

SIZE = 128
FACE = (0.2 * template_of(WFLW98)[:, :2] + [0.5, 0.5]).astype(np.float32)
ASIDE = np.array([0.04, 0], np.float32)
PHOTO = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def _stitcher(photo=PHOTO, still=PHOTO):
    return Stitcher(photo, still, FACE, WFLW98)


def _cell(x, y):
    return round(y * SIZE), round(x * SIZE)


class Sighted:
    """A detector that finds on each frame the face that its first pixel stands for; 0: none."""

    scheme = WFLW98

    def __init__(self, faces):
        self.faces = faces

    def detect(self, images):
        numbers = images[:, 0, 0, 0]
        found = numbers > 0
        points = np.stack(
            [self.faces[number] if number else np.full_like(FACE, np.nan) for number in numbers]
        )
        return SimpleNamespace(points=points, found=found)


def test_at_rest_all_but_the_face_is_the_photo_to_the_byte():
    frame = np.full_like(PHOTO, 7)
    made = _stitcher()(frame, FACE)
    covered = paste.face_mask(FACE[None], WFLW98, size=SIZE, rim=stitching.TIGHT)
    assert (made[covered == 0] == PHOTO[covered == 0]).all()
    assert (made[covered > 0.999] == 7).all()
    assert 0.1 < (covered > 0).mean() < 0.5


def test_colour_and_light_that_the_code_lacks_are_put_back():
    still = np.full((SIZE, SIZE, 3), [90, 100, 110], np.uint8)
    photo = np.full((SIZE, SIZE, 3), [120, 80, 110], np.uint8)
    made = _stitcher(photo, still)(still, FACE)
    assert np.abs(made.astype(int) - photo).max() <= 1


def test_hair_beside_the_face_goes_with_it_and_the_backdrop_stays():
    photo = np.zeros((SIZE, SIZE, 3), np.uint8)
    contour = FACE[list(WFLW98.parts["contour"])]
    right, top = contour[:, 0].max(), FACE[:, 1].min()
    at = _cell(right + 0.06, top)  # outside the mask, beside the temple
    photo[at[0] - 1 : at[0] + 2, at[1] - 1 : at[1] + 2] = 255
    made = _stitcher(photo, photo)(np.zeros_like(photo), FACE + ASIDE)
    light = np.argwhere(made[..., 0] > 100)
    shift = light.mean(axis=0) - at
    assert 0.4 * ASIDE[0] < shift[1] / SIZE < 1.05 * ASIDE[0]
    assert abs(shift[0]) < 1
    free = stitching.reach(FACE, size=SIZE) == 0
    moved = _stitcher()(PHOTO, FACE + ASIDE)
    assert free.any()
    assert (moved[free] == PHOTO[free]).all()


def test_what_is_not_a_frames_keeps_the_pixels_of_the_photo():
    mouth = list(WFLW98.parts["mouth"])
    shares = np.zeros(len(FACE))
    shares[mouth] = 1
    part = Stitcher(PHOTO, PHOTO, FACE, WFLW98, shares=shares)
    made = part(np.full_like(PHOTO, 9), FACE + 0.01 * (np.arange(len(FACE)) % 2)[:, None]).astype(int)
    eye, lip = (_cell(*FACE[point].tolist()) for point in (WFLW98.left_eye[0], mouth[0]))
    assert abs(made[eye] - PHOTO[eye].astype(int)).max() <= 2
    assert abs(made[lip] - 9).max() <= 20 < abs(PHOTO[lip].astype(int) - 9).max()


def test_whatever_moves_lies_within_reach():
    motion = np.linalg.norm(_stitcher().motion(FACE + ASIDE), axis=-1)
    whole = stitching.reach(FACE, size=stitching.GRID)
    assert motion.max() == pytest.approx(ASIDE[0], rel=0.1)
    assert (whole[motion > 0] > 0.4).all()


def test_frames_come_in_order_and_a_face_that_is_not_seen_stays_where_it_was():
    faces = {1: FACE, 2: FACE + ASIDE}
    frames = [np.full_like(PHOTO, number) for number in (1, 0, 2, 0, 0, 1, 2)]
    stitcher = _stitcher()
    made = list(stitcher.along(iter(frames), Sighted(faces)))
    rows, column = _cell(0.5, 0.5)
    assert [picture[rows, column, 0] for picture in made] == [1, 0, 2, 0, 0, 1, 2]
    alone = next(stitcher.along([frames[2]], Sighted(faces)))
    assert (alone == stitcher(frames[2], FACE + ASIDE)).all()


def test_tremor_is_calmed_and_moves_and_cuts_are_not():
    rng = np.random.default_rng(1)
    trembling = FACE + 0.002 * rng.standard_normal((5, *FACE.shape))
    calm = stitching.steadied(trembling, 2)
    assert np.abs(calm - FACE).mean() < 0.7 * np.abs(trembling[2] - FACE).mean()
    moving = np.stack([FACE + step * ASIDE for step in range(5)])
    assert stitching.steadied(moving, 2) == pytest.approx(moving[2], abs=1e-6)
    cut = np.stack([FACE, FACE, FACE, FACE + 0.3, FACE + 0.3])
    assert stitching.steadied(cut, 2) == pytest.approx(FACE, abs=1e-6)


def test_a_frame_of_the_generator_stays_as_it_is():
    frames = [np.full_like(PHOTO, number) for number in (1, 2)]
    kept = stitching.of_photo("generator", PHOTO, None, None)(frames)
    assert all((one == other).all() for one, other in zip(kept, frames, strict=True))


def test_pasted_back_the_photo_goes_on_beyond_the_head():
    photo = np.random.default_rng(2).integers(0, 256, (2 * SIZE, 2 * SIZE, 3), np.uint8)
    corners = np.array([[0, 0], [0, SIZE], [SIZE, SIZE], [SIZE, 0]], float) + SIZE / 2
    crop, frame = Crop(corners, SIZE), np.full((SIZE, SIZE, 3), 9, np.uint8)
    face = stitching.Animated([frame], crop, FACE[None], FACE[None])
    wide, narrow = (next(stitching.paste_back(kind, photo, [face])) for kind in ("photo", "generator"))
    changed = [(picture != photo).any(axis=2) for picture in (wide, narrow)]
    assert changed[0].sum() > 1.5 * changed[1].sum()
    outside = np.ones(photo.shape[:2], bool)
    outside[SIZE // 2 : -SIZE // 2, SIZE // 2 : -SIZE // 2] = False
    assert not changed[0][outside].any()


def _animated(grey, x, y, *, side=SIZE, frames=1):
    """A face of one grey in a square of a photo, its left top corner at (x, y)."""
    corners = np.array([[0, 0], [0, side], [side, side], [side, 0]], float) + [x, y]
    frame = np.full((SIZE, SIZE, 3), grey, np.uint8)
    points = np.repeat(FACE[None], frames, axis=0)
    return stitching.Animated([frame] * frames, Crop(corners, SIZE), FACE[None], points)


def _alone(kind, photo, face):
    """The photo with one face, and where that face is at all and wholly."""
    (pasted,) = stitching.paste_back(kind, photo, [face])
    mask = (
        stitching.reach(FACE, size=paste.DRAWN)
        if kind != "generator"
        else paste.face_mask(np.concatenate([FACE[None]] * 2), WFLW98, size=paste.DRAWN)
    )
    place = paste.prepare(photo, face.crop, mask)
    alpha = np.zeros(photo.shape[:2])
    left, top, right, bottom = place.box
    alpha[top:bottom, left:right] = place.alpha[..., 0]
    return pasted, alpha


@pytest.mark.parametrize("kind", stitching.KINDS)
def test_two_faces_apart_lie_each_under_its_own_mask_and_the_rest_is_the_photo(kind):
    photo = np.random.default_rng(3).integers(0, 256, (150, 300, 3), np.uint8)
    one, two = _animated(40, 5, 10), _animated(200, 160, 10)
    (both,) = stitching.paste_back(kind, photo, [one, two])
    (first, here), (second, there) = (_alone(kind, photo, face) for face in (one, two))
    assert not ((here > 0) & (there > 0)).any() and (here == 1).any() and (there == 1).any()
    assert (both[(here == 0) & (there == 0)] == photo[(here == 0) & (there == 0)]).all()
    assert (both[here == 1] == 40).all() and (both[there == 1] == 200).all()
    assert (both[here > 0] == first[here > 0]).all() and (both[there > 0] == second[there > 0]).all()


@pytest.mark.parametrize("kind", stitching.KINDS)
def test_where_two_faces_reach_each_has_what_is_nearer_to_it_whatever_their_order(kind):
    photo = np.full((150, 300, 3), 120, np.uint8)
    apart = 28 if kind == "generator" else 36
    faces = [_animated(40, 20, 10), _animated(200, 20 + apart, 10)]
    (both,) = stitching.paste_back(kind, photo, faces)
    (turned,) = stitching.paste_back(kind, photo, faces[::-1])
    assert np.abs(both.astype(int) - turned).max() <= 1
    masks = [_alone(kind, photo, face)[1] for face in faces]
    shared = (masks[0] == 1) & (masks[1] == 1)
    middle = 20 + SIZE // 2 + apart // 2  # between the two faces, which are of one size
    columns = np.arange(300) + 0.5
    assert shared.sum() > 100
    rows, left = np.nonzero(shared & (columns < middle))
    mirrored = 2 * middle - 1 - left
    even = shared[rows, mirrored]  # what one face lacks the other has
    sums = both[rows, left].astype(int) + both[rows, mirrored]
    assert even.sum() > 20 and np.abs(sums[even] - 240).max() <= 2
    for grey, side in ((40, columns < middle - apart / 8), (200, columns > middle + apart / 8)):
        assert (shared & side).any()
        assert np.abs(both[shared & side].astype(int) - grey).max() <= 40
    centre = round(10 + SIZE / 2), round(20 + SIZE / 2)
    assert tuple(both[centre]) == (40, 40, 40)


def test_a_small_face_beside_a_large_one_keeps_its_own_eyes():
    """The large head reaches over it; distances are in sizes of the face."""
    photo = np.full((260, 300, 3), 120, np.uint8)
    large, small = _animated(40, 0, 0, side=256), _animated(200, 160, 90, side=80)
    (both,) = stitching.paste_back("photo", photo, [large, small])
    reached = _alone("photo", photo, large)[1]
    eyes = np.rint(small.crop.to_photo(FACE[60:76] * SIZE)).astype(int)
    assert (reached[eyes[:, 1], eyes[:, 0]] > 0.5).any()
    assert (both[eyes[:, 1], eyes[:, 0]] > 180).all()


def test_faces_of_a_video_go_on_together_and_not_beyond_its_end():
    photo = np.full((150, 300, 3), 120, np.uint8)
    faces = [_animated(40, 5, 10, frames=3), _animated(200, 160, 10, frames=3)]
    for kind in stitching.KINDS:
        assert len(list(stitching.paste_back(kind, photo, faces))) == 3


def test_a_large_photo_is_scaled_down_with_all_its_faces():
    faces = [_animated(40, 5, 10), _animated(200, 160, 10)]
    small, placed = stitching.fitted(np.zeros((200, 400, 3), np.uint8), faces, longest=100)
    assert small.shape == (50, 100, 3)
    assert [face.crop.quad[0].tolist() for face in placed] == [[1.25, 2.5], [40, 2.5]]


def test_a_still_without_a_face_is_refused():
    with pytest.raises(ValueError, match="give another photo"):
        Stitcher(PHOTO, PHOTO, np.full_like(FACE, np.nan), WFLW98)
