"""One face is followed: small, among others, behind a hand, through cuts."""

import numpy as np
import pytest
from PIL import Image

from d2a_core.faces import tracking
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.schemes import WFLW98
from d2a_core.media import cuts


def place(portrait, *spots, height=480, width=960, size=240):
    """A noisy frame with the photograph, `size` px, at each spot (x, y)."""
    frame = np.random.default_rng(0).integers(90, 130, (height, width, 3), dtype=np.uint8)
    photo = np.asarray(Image.fromarray(portrait).resize((size, size)))
    for x, y in spots:
        frame[y : y + size, x : x + size] = photo[: height - y, : width - x]
    return frame


def eyes(seen, frame):
    """Middle of the eyes in pixels."""
    return seen.points[0, [60, 72]].mean(axis=0) * frame.shape[1::-1]


def walk(follower, frames, cuts=()):
    return [follower.see(frame, cut=index in cuts) for index, frame in enumerate(frames)]


@pytest.mark.parametrize(("height", "width", "spot"), [(1080, 1920, (1500, 700)), (2160, 3840, (400, 1300))])
def test_a_small_face_in_a_large_frame_is_found(detector, portrait, height, width, spot):
    small = 320 if width == 3840 else 200
    frame = place(portrait, spot, height=height, width=width, size=small)
    seen = tracking.follower(detector, rate_hz=25).see(frame, cut=False)
    assert seen.found.all()
    alone = tracking.follower(detector, rate_hz=25).see(portrait, cut=False)
    expected = eyes(alone, portrait) * small / 512 + spot
    np.testing.assert_allclose(eyes(seen, frame), expected, atol=0.02 * small)


def test_points_are_those_of_the_detector_and_do_not_depend_on_the_place(detector, portrait):
    plain = detector.detect(portrait[None])
    follower = tracking.follower(detector, rate_hz=25)
    first, second = walk(follower, [portrait, portrait])
    size = np.linalg.norm(plain.points[0, 60] - plain.points[0, 72])
    for seen in (first, second):
        assert np.linalg.norm(seen.points - plain.points, axis=-1).mean() < 0.02 * size
    np.testing.assert_allclose(second.points, first.points, atol=0.02 * size)


def test_a_still_face_has_no_tremor(detector, portrait):
    rng = np.random.default_rng(1)
    noisy = [np.clip(portrait + rng.normal(0, 2, portrait.shape), 0, 255).astype(np.uint8) for _ in range(8)]
    points = np.concatenate([seen.points for seen in walk(tracking.follower(detector, rate_hz=25), noisy)])
    size = np.linalg.norm(points[0, 60] - points[0, 72])
    assert points.std(axis=0).mean() < 0.003 * size


def test_the_place_that_is_looked_at_rests_until_the_face_moves(detector, portrait):
    follower = tracking.follower(detector, rate_hz=25)
    regions = []
    for shift in (0, 1, 2, 30):
        follower.see(np.roll(portrait, shift, axis=1), cut=False)
        regions.append(follower._region)
    assert regions[1] is regions[2]
    assert regions[3][0] - regions[2][0] == pytest.approx(29, abs=4)


def test_the_same_one_of_two_faces_is_followed_past_a_loss(detector, portrait):
    left = [place(portrait, (40 + 4 * n, 100), (640, 60)) for n in range(4)]
    left[0] = place(portrait, (40, 100))  # the other one comes in later
    hidden = [place(portrait, (640, 60))] * 3
    back = [place(portrait, (70, 110), (640, 60))]
    seen = walk(tracking.follower(detector, rate_hz=25), [*left, *hidden, *back])
    assert [bool(row.found[0]) for row in seen] == [True] * 4 + [False] * 3 + [True]
    assert all(eyes(row, left[0])[0] < 320 for row in seen if row.found[0])


def test_another_face_is_taken_when_the_first_does_not_come_back(detector, portrait):
    frames = [place(portrait, (40, 100))] * 2 + [place(portrait, (640, 60))] * 4
    seen = walk(tracking.follower(detector, rate_hz=2), frames)
    assert [bool(row.found[0]) for row in seen] == [True, True, False, False, True, True]


def test_a_cut_is_seen_and_the_largest_face_of_the_new_shot_taken(detector, portrait):
    before = place(portrait, (40, 100))
    after = np.ascontiguousarray(place(portrait, (500, 100), size=300)[:, :, ::-1] // 2)
    after[:, :480] = np.linspace(0, 250, 480, dtype=np.uint8)[None, :, None]
    assert cuts.is_cut(*(cuts.thumbnail(frame) for frame in (before, after)))
    first, second = walk(tracking.follower(detector, rate_hz=25), [before, after], cuts={1})
    assert first.found.all() and second.found.all() and eyes(second, after)[0] > 500


def test_no_face_is_no_points(detector, portrait):
    noise = place(portrait, height=240, width=320)
    follower = tracking.follower(detector, rate_hz=25)
    for seen in walk(follower, [noise, noise]):
        assert not seen.found.any() and np.isnan(seen.points).all() and seen.points.shape == (1, 98, 2)


def test_other_detectors_see_each_frame_anew():
    class Seer:
        scheme, calls = WFLW98, 0

        def detect(self, images):
            self.calls += len(images)
            points = np.zeros((len(images), 98, 2), np.float32)
            return Detections(points, *np.ones((2, len(images))), np.zeros((len(images), 3)), points)

    seer = Seer()
    walk(tracking.follower(seer, rate_hz=25), np.zeros((3, 8, 8, 3), np.uint8))
    assert seer.calls == 3
