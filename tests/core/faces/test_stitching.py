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
    words = crop, FACE[None], FACE[None], WFLW98
    wide, narrow = (next(stitching.paste_back(kind, photo, [frame], *words)) for kind in stitching.KINDS)
    changed = [(picture != photo).any(axis=2) for picture in (wide, narrow)]
    assert changed[0].sum() > 1.5 * changed[1].sum()
    outside = np.ones(photo.shape[:2], bool)
    outside[SIZE // 2 : -SIZE // 2, SIZE // 2 : -SIZE // 2] = False
    assert not changed[0][outside].any()


def test_a_still_without_a_face_is_refused():
    with pytest.raises(ValueError, match="give another photo"):
        Stitcher(PHOTO, PHOTO, np.full_like(FACE, np.nan), WFLW98)
