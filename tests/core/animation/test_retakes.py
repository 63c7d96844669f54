import numpy as np
import pytest
import torch

from d2a_core.animation import retakes
from d2a_core.animation.cast import Cast
from d2a_core.animation.footage_goals import Take
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media.video_reading import Frame

FACE = (0.25 * template_of(WFLW98)[:, :2] + [0.5, 0.4]).astype(np.float32)


def scene():
    """Three noisy frames whose face lies in a quad, and the quads."""
    rng = np.random.default_rng(0)
    frames = [Frame(n, n / 25, rng.integers(0, 255, (240, 280, 3), dtype=np.uint8)) for n in range(3)]
    quad = np.array([[60, 40], [60, 168], [188, 168], [188, 40]], np.float64)
    return frames, np.repeat(quad[None], 3, axis=0)


def test_what_lies_beside_the_head_is_the_footage_itself():
    frames, quads = scene()
    picture = np.full((128, 128, 3), 128, np.uint8)
    points = np.repeat(FACE[None], 3, axis=0)
    retaken = list(retakes.retake(frames, quads, points, [picture] * 3, [(picture, FACE)] * 3))
    assert len(retaken) == 3
    for frame, image in zip(frames, retaken, strict=True):
        assert (image[:40] == frame.image[:40]).all() and (image[:, :60] == frame.image[:, :60]).all()
        assert image[100:110, 120:130].std() < 0.5 * frame.image[100:110, 120:130].std()


def test_the_light_of_the_footage_comes_back():
    frames, quads = scene()
    bright = [Frame(n, n / 25, np.full((240, 280, 3), 130, np.uint8)) for n in range(3)]
    shown, wanted = np.full((64, 64, 3), 100, np.uint8), np.full((128, 128, 3), 90, np.uint8)
    points = np.repeat(FACE[None], 3, axis=0)
    retaken = list(retakes.retake(bright, quads, points, [shown] * 3, [(wanted, FACE)] * 3))
    assert retaken[0][100:110, 120:130].mean() == pytest.approx(120, abs=2)


def test_what_lies_before_a_face_keeps_its_pixels():
    frames, quads = scene()
    picture, points = np.full((128, 128, 3), 128, np.uint8), np.repeat(FACE[None], 3, axis=0)
    hidden = np.zeros((64, 64))
    hidden[:, 32:] = 1  # the right half
    given = [hidden, None, np.zeros((64, 64))]
    made = list(retakes.retake(frames, quads, points, [picture] * 3, [(picture, FACE)] * 3, hidden=given))
    right = slice(95, 115), slice(132, 150)
    assert (made[0][right] == frames[0].image[right]).all()
    assert made[0][100:110, 105:118].std() < 0.5 * frames[0].image[100:110, 105:118].std()
    plain = list(retakes.retake(frames, quads, points, [picture] * 3, [(picture, FACE)] * 3))
    assert (made[1] == plain[1]).all() and (made[2] == plain[2]).all()
    assert (plain[0][right] != frames[0].image[right]).any()


def test_a_thing_before_a_face_is_found_where_nobody_has_looked_for_it():
    skin, hand = (200, 150, 130), (60, 90, 160)
    plain = np.full((240, 280, 3), skin, np.uint8)
    frame = plain.copy()
    frame[:, 130:150] = hand
    shown, wanted = np.full((64, 64, 3), skin, np.uint8), np.full((128, 128, 3), 255, np.uint8)
    quads = scene()[1][:1]
    (made,) = retakes.retake([Frame(0, 0.0, frame)], quads, FACE[None], [shown], [(wanted, FACE)])
    assert np.abs(made[95:115, 133:147].astype(int) - hand).max() <= 2
    assert made[95:110, 108:118].min() > 230


@pytest.mark.parametrize(("side", "size"), [(2000, 1024), (1024, 1024), (513, 1024), (512, 512), (90, 256)])
def test_a_small_face_is_put_together_small(side, size):
    quad = np.array([[0, 0], [0, side], [side, side], [side, 0]], np.float32)
    assert retakes.working_size(np.stack([0.5 * quad, quad]), 1024) == size
    assert retakes.working_size(quad[None], 64) == 64


def take_of(person, stretch, share):
    """A take of frames with the people `person`; `share` is of those that show somebody."""
    person, stretch = np.array(person), np.array(stretch)
    size = person.max() + 1
    known = np.zeros((size, 4, 6), np.float32), np.repeat(FACE[None], size, axis=0)
    people = Cast(person, stretch, np.zeros(size, np.int64), *known)
    count = len(people.rows)
    points = np.repeat(FACE[None], count, axis=0)
    quads = np.zeros((count, 4, 2), np.float32)
    return Take(people, np.arange(len(person)) / 25, quads, points, points, np.array(share, float))


@pytest.fixture
def painted(monkeypatch):
    """Results are white, and each stretch is made by itself: its frames are noted."""
    stretches = []

    def paint(animator, frames, codes, moved, take, run, *, details):
        seen = []
        stretches.append(seen)
        for _, frame in zip(range(run.start, run.stop), frames, strict=False):
            seen.append(frame.index)
            yield np.full_like(frame.image, 255)

    monkeypatch.setattr(retakes, "_retaken", paint)
    return stretches


def test_frames_without_a_face_stay_byte_for_byte_and_each_stretch_is_made_by_itself(painted):
    rng = np.random.default_rng(0)
    frames = [Frame(n, n / 25, rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)) for n in range(8)]
    take = take_of([-1, 0, 0, -1, -1, 1, 0, -1], [-1, 0, 0, -1, -1, 1, 2, -1], [1, 0.5, 1, 0])
    codes = torch.zeros(4, 4, 6)
    made = list(retakes.retaken(None, iter(frames), codes, codes, take, details=False))
    assert len(made) == 8 and painted == [[1, 2], [5], [6]]
    for number in (0, 3, 4, 6, 7):
        assert (made[number] == frames[number].image).all()
    assert (made[1] == 255).all() and (made[5] == 255).all()
    assert np.abs(made[2] - (frames[2].image / 2 + 127.5)).max() <= 0.5


def test_a_clip_that_goes_on_behind_its_driver_ends_with_it_and_has_even_sides(painted):
    frames = [Frame(n, n / 25, np.zeros((7, 9, 3), np.uint8)) for n in range(5)]
    codes = torch.zeros(1, 4, 6)
    made = list(
        retakes.retaken(None, iter(frames), codes, codes, take_of([-1, 0], [-1, 0], [1]), details=False)
    )
    assert len(made) == 2 and made[0].shape == (6, 8, 3)


def test_people_are_led_each_by_themselves_and_come_back_in_order(monkeypatch):
    take, asked = take_of([0, 1, -1, 0], [0, 1, -1, 2], [1, 1, 1]), []

    def along(animator, codes, source, goal, *, most_poses, steps, shot, log):
        asked.append((codes[:, 0, 0].tolist(), shot.tolist()))
        return codes[:, :2] + 10

    monkeypatch.setattr(retakes.edits, "along", along)
    codes = torch.arange(3.0)[:, None, None].expand(-1, 4, 6)
    found = retakes.edited(None, codes, take, most_poses=2, steps=3, log=None)
    assert asked == [([0, 2], [0, 2]), ([1], [1])]
    assert found.shape == (3, 2, 6) and found[:, 0, 0].tolist() == [10, 11, 12]
