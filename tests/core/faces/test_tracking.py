"""One person is followed: small, among others, behind a hand, behind somebody else, through cuts."""

import numpy as np
import pytest
import torch
from PIL import Image

from d2a_core.faces import tracking, watching
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.schemes import WFLW98
from d2a_core.generator import rendering
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


@pytest.fixture
def follow(detector, assets):
    """Makes a follower of a clip."""

    def make(*, rate_hz=25, number=0):
        return tracking.follower(
            detector, assets / "dlib-face", rate_hz=rate_hz, number=number, clip="party.mp4"
        )

    return make


@pytest.fixture(scope="module")
def made_up(mobile):
    """Makes the face of a seed, u1 [512, 512, 3]."""
    generator = mobile(threads=1)

    def make(seed):
        codes = generator.map(torch.randn(1, 512, generator=torch.Generator().manual_seed(seed)))
        face = rendering.render(generator, codes[:, None].expand(-1, generator.num_layers, -1))[0]
        return np.asarray(Image.fromarray(face).resize((512, 512)))

    return make


@pytest.fixture(scope="module")
def stranger(made_up):
    """Somebody who looks into the camera."""
    return made_up(3)


def meet(*people, height=480, width=960):
    """A frame with people on it, each a square picture, its middle and its side; the last is in front."""
    frame = np.full((height, width, 3), 110, np.uint8)
    for picture, x, y, side in people:
        left, top = round(x - side / 2), round(y - side / 2)
        part = np.asarray(Image.fromarray(picture).resize((side, side)))
        low, high = np.clip([left, left + side], 0, width)
        frame[max(0, top) : top + side, low:high] = part[max(0, -top) :, low - left : high - left][
            : height - max(0, top)
        ]
    return frame


def middle(row, frame):
    """Middle of a face in pixels, across."""
    return row.points[0, :, 0].mean() * frame.shape[1]


def walk(follower, frames, cuts=()):
    return [follower.see(frame, cut=index in cuts) for index, frame in enumerate(frames)]


@pytest.mark.parametrize(("height", "width", "spot"), [(1080, 1920, (1500, 700)), (2160, 3840, (400, 1300))])
def test_a_small_face_in_a_large_frame_is_found(follow, portrait, height, width, spot):
    small = 320 if width == 3840 else 200
    frame = place(portrait, spot, height=height, width=width, size=small)
    seen = follow().see(frame, cut=False)
    assert seen.found.all()
    alone = follow().see(portrait, cut=False)
    expected = eyes(alone, portrait) * small / 512 + spot
    np.testing.assert_allclose(eyes(seen, frame), expected, atol=0.02 * small)


def test_points_are_those_of_the_detector_and_do_not_depend_on_the_place(follow, detector, portrait):
    plain = detector.detect(portrait[None])
    follower = follow()
    first, second = walk(follower, [portrait, portrait])
    size = np.linalg.norm(plain.points[0, 60] - plain.points[0, 72])
    for seen in (first, second):
        assert np.linalg.norm(seen.points - plain.points, axis=-1).mean() < 0.02 * size
    np.testing.assert_allclose(second.points, first.points, atol=0.02 * size)


def test_a_still_face_has_no_tremor(follow, portrait):
    rng = np.random.default_rng(1)
    noisy = [np.clip(portrait + rng.normal(0, 2, portrait.shape), 0, 255).astype(np.uint8) for _ in range(8)]
    points = np.concatenate([seen.points for seen in walk(follow(), noisy)])
    size = np.linalg.norm(points[0, 60] - points[0, 72])
    assert points.std(axis=0).mean() < 0.003 * size


def test_the_place_that_is_looked_at_rests_until_the_face_moves(follow, portrait):
    follower = follow()
    regions = []
    for shift in (0, 1, 2, 30):
        follower.see(np.roll(portrait, shift, axis=1), cut=False)
        regions.append(follower._region)
    assert regions[1] is regions[2]
    assert regions[3][0] - regions[2][0] == pytest.approx(29, abs=4)


def test_the_same_one_of_two_faces_is_followed_past_a_loss(follow, portrait):
    left = [place(portrait, (40 + 4 * n, 100), (640, 60)) for n in range(4)]
    left[0] = place(portrait, (40, 100))  # the other one comes in later
    hidden = [place(portrait, (640, 60))] * 3
    back = [place(portrait, (70, 110), (640, 60))]
    seen = walk(follow(), [*left, *hidden, *back])
    assert [bool(row.found[0]) for row in seen] == [True] * 4 + [False] * 3 + [True]
    assert all(eyes(row, left[0])[0] < 320 for row in seen if row.found[0])


def test_another_face_is_taken_when_the_first_does_not_come_back(follow, portrait):
    frames = [place(portrait, (40, 100))] * 2 + [place(portrait, (640, 60))] * 4
    seen = walk(follow(rate_hz=2), frames)
    assert [bool(row.found[0]) for row in seen] == [True, True, False, False, True, True]


def test_a_cut_is_seen_and_the_largest_face_of_the_new_shot_taken(follow, portrait):
    before = place(portrait, (40, 100))
    after = np.ascontiguousarray(place(portrait, (500, 100), size=300)[:, :, ::-1] // 2)
    after[:, :480] = np.linspace(0, 250, 480, dtype=np.uint8)[None, :, None]
    assert cuts.is_cut(*(cuts.thumbnail(frame) for frame in (before, after)))
    first, second = walk(follow(), [before, after], cuts={1})
    assert first.found.all() and second.found.all() and eyes(second, after)[0] > 500


def test_no_face_is_no_points(follow, portrait):
    noise = place(portrait, height=240, width=320)
    follower = follow()
    for seen in walk(follower, [noise, noise]):
        assert not seen.found.any() and np.isnan(seen.points).all() and seen.points.shape == (1, 98, 2)


@pytest.fixture(scope="module")
def her(portrait):
    """The face of the photograph, u1 [220, 220, 3]; its middle is that of the picture."""
    return np.ascontiguousarray(portrait[10:230, 115:335])


@pytest.mark.parametrize("in_front", [False, True])
def test_one_of_two_who_cross_is_followed_and_not_found_while_hidden(follow, her, stranger, in_front):
    ways = np.linspace(200, 760, 36)
    frames = []
    for x in ways:  # she goes to the right, the stranger to the left
        pair = [(her, x, 240, 300), (stranger, 960 - x, 240, 220)]
        frames.append(meet(*(pair[::-1] if in_front else pair)))
    follower, seen, hidden = follow(), [], []
    for frame in frames:
        seen.append(follower.see(frame, cut=False))
        hidden.append(follower.hidden)
    found = np.array([row.found[0] for row in seen])
    assert found[:12].all() and found[-12:].all() and (hidden == ~found).all()
    assert found.all() if in_front else not found[17:19].any()
    places = [middle(row, frame) for row, frame in zip(seen, frames, strict=True)]
    assert np.abs(np.array(places) - ways)[found].max() < 40


def test_one_who_looks_aside_in_her_place_is_left_for_her(follow, her, made_up, monkeypatch):
    monkeypatch.setattr(watching, "TELLING_DEGREES", 12.0)  # his head is turned by more
    aside = made_up(4)
    before, after = (meet((her, x, 240, 300), (aside, y, 240, 190)) for x, y in ((300, 560), (560, 300)))
    seen = walk(follow(rate_hz=10), [before] * 3 + [after] * 6)
    assert abs(middle(seen[2], before) - 300) < 40 and abs(middle(seen[-1], after) - 560) < 40


def test_a_bystander_who_comes_nearer_until_he_covers_the_first_does_not_take_over(follow, her, stranger):
    shares = [*np.linspace(0, 1, 16), *np.linspace(1, 0, 16)]  # he comes, and goes back
    frames = [
        meet((her, 300, 240, 260), (stranger, round(820 - 520 * s), 240, round(200 + 260 * s)))
        for s in shares
    ]
    seen = walk(follow(), frames)
    found = np.array([row.found[0] for row in seen])
    assert found[:6].all() and found[-6:].all() and not found[14:18].any()
    assert all(abs(middle(row, frames[0]) - 300) < 40 for row in seen if row.found[0])


def test_the_face_of_a_number_drives_and_nobody_else_does(follow, her, stranger):
    both = meet((her, 240, 240, 200), (stranger, 700, 240, 330))
    alone = meet((stranger, 700, 240, 330))
    largest, second = (walk(follow(number=number), [both, both])[1] for number in (1, 2))
    assert abs(middle(largest, both) - 700) < 40 and abs(middle(second, both) - 240) < 40
    seen = walk(follow(number=2, rate_hz=2), [both, both, *[alone] * 10])
    assert [bool(row.found[0]) for row in seen] == [True, True, *[False] * 10]
    seen = walk(follow(number=2), [both, alone, both], cuts={1, 2})
    assert [bool(row.found[0]) for row in seen] == [True, False, True]


def test_a_face_of_a_number_that_is_not_there_is_refused_with_those_that_are(follow, her, stranger):
    both, empty = meet((her, 240, 240, 200), (stranger, 700, 240, 330)), meet()
    follower = follow(number=3, rate_hz=2)
    follower.see(empty, cut=False)
    with pytest.raises(
        ValueError, match="the first frame of party.mp4 that shows a face has no face number 3"
    ):
        follower.see(both, cut=False)


def test_after_a_cut_one_who_was_followed_goes_first_and_gets_the_same_number(follow, her, stranger):
    shots = [
        meet((her, 240, 240, 260)),
        meet((stranger, 600, 240, 300)),
        meet((her, 700, 240, 200), (stranger, 240, 240, 400)),
    ]
    follower, people = follow(), []
    for shot in shots:
        for index in range(3):
            seen = follower.see(shot, cut=index == 0 and len(people) > 0)
            people.append(follower.person)
    assert follower.people.numbers()[people].tolist() == [0] * 3 + [1] * 3 + [0] * 3
    assert abs(middle(seen, shots[2]) - 700) < 40


def test_somebody_else_takes_over_when_the_first_is_away_for_long(follow, her, stranger):
    follower, people = follow(rate_hz=2), []
    frames = [meet((her, 240, 240, 260))] * 2 + [meet((stranger, 700, 240, 300))] * 8
    for frame in frames:
        people.append(follower.person if follower.see(frame, cut=False).found[0] else None)
    assert people[:7] == [0, 0, None, None, None, None, None] and people[-1] == 1


def test_one_face_alone_loads_no_network_to_tell_it_by(detector, portrait, tmp_path):
    follower = tracking.follower(detector, tmp_path / "none", rate_hz=2, clip="talk.mp4")
    assert all(row.found[0] for row in walk(follower, [portrait] * 6))


def test_other_detectors_see_each_frame_anew_and_cannot_choose(assets):
    class Seer:
        name, scheme, calls = "seer", WFLW98, 0

        def detect(self, images):
            self.calls += len(images)
            points = np.full((len(images), 98, 2), np.nan, np.float32)
            none = np.zeros(len(images), bool)
            return Detections(points, none, none, points[:, :3, 0], points)

    seer = Seer()
    place = assets / "dlib-face"
    walk(tracking.follower(seer, place, rate_hz=25, clip="a.mp4"), np.zeros((3, 8, 8, 3), np.uint8))
    assert seer.calls == 3
    with pytest.raises(ValueError, match="face 2 of a.mp4 is to drive, but landmarks.detector 'seer'"):
        tracking.follower(seer, place, rate_hz=25, number=2, clip="a.mp4")


def test_other_detectors_tell_after_each_cut_who_is_seen(detector, assets, her, stranger):
    class Plain:
        """The detector without a place to look at."""

        name, scheme, detect = "plain", WFLW98, staticmethod(detector.detect)

    follower = tracking.follower(Plain(), assets / "dlib-face", rate_hz=25, clip="a.mp4")
    people = []
    for index, picture in enumerate([her, her, stranger, stranger, her]):
        follower.see(meet((picture, 240, 240, 300)), cut=index in (2, 4))
        people.append(follower.person)
    assert people == [0, 0, 1, 1, 2] and follower.people.numbers()[people].tolist() == [0, 0, 1, 1, 0]
