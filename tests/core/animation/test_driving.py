from fractions import Fraction

import numpy as np
import pyarrow
import pytest

from d2a_core.animation import driving
from d2a_core.faces import alignment
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media.video_reading import Frame
from d2a_core.store import provenance, tables


@pytest.fixture
def face():
    """A frontal face in the middle of a unit image, [1, 98, 2]."""
    return 0.25 * template_of(WFLW98)[None, :, :2] + [0.5, 0.4]


def _similar(points, scale, degrees, shift):
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return scale * points @ rotation.T + shift


def test_a_steady_crop_keeps_its_width_while_the_mouth_opens(face):
    frames = np.repeat(face, 30, axis=0)
    frames[::2, 76:96, 1] += 0.03
    crops = driving.steady(alignment.layout(frames, WFLW98), rate_hz=25, cutoff_hz=1.0)
    widths = np.linalg.norm(crops.axis, axis=1)
    assert np.log(widths) == pytest.approx(np.log(widths).mean(), abs=0.01)
    raw = alignment.layout(frames, WFLW98).centre[:, 1]
    assert np.ptp(crops.centre[5:-5, 1]) < np.ptp(raw) / 3


class FakeDetector:
    """Sees the given faces one after the other; None is a frame without a face."""

    scheme = WFLW98

    def __init__(self, faces):
        self.faces = list(faces)

    def detect(self, images):
        chosen = [self.faces.pop(0) for _ in images]
        found = np.array([face is not None for face in chosen])
        points = np.stack([face if face is not None else np.full((98, 2), np.nan) for face in chosen])
        angles = np.zeros((len(images), 3), np.float32)
        return Detections(points, found.astype(np.float32), found, angles, points)


class Watcher:
    """Follows what a detector sees; `people` says who the frames show, and `numbers` who of these is who.

    On the frames `behind` that face is hidden by somebody.
    """

    scheme, person, hidden = WFLW98, 0, False

    def __init__(self, detector, people=(), numbers=(0,), behind=()):
        self.detector, self.order, self.people = detector, list(people), self
        self.numbers, self.behind, self.frame = lambda: np.array(numbers), behind, -1

    def see(self, image, *, cut):
        self.frame += 1
        self.hidden = self.frame in self.behind
        if self.order:
            self.person = self.order.pop(0)
        return self.detector.detect(image[None])


def test_tracking_bridges_lost_frames_and_aligns_wide_video(face):
    height, width, count = 100, 200, 11
    offsets = np.linspace(0, 20, count)  # the head drifts to the right, in pixels
    faces = [(_similar(face, 60, 0, [40 + x, 20]) / [width, height])[0] for x in offsets]
    faces[4] = None
    frames = (Frame(i, i / 25, np.zeros((height, width, 3), np.uint8)) for i in range(count))
    track = driving.track(
        frames,
        Watcher(FakeDetector(faces)),
        alignment.layout(face, WFLW98),
        clip="clip.mp4",
        rate=Fraction(25),
        smoothing_hz=100,
    )
    assert track.found.tolist() == [i != 4 for i in range(count)]
    assert track.points.shape == (count, 98, 2)
    assert track.points[4] == pytest.approx(face[0], abs=5e-3)  # interpolated, then aligned
    assert track.points[0] == pytest.approx(face[0], abs=2e-2)
    for seen, quad, points in zip(faces, track.quad, track.points, strict=True):
        if seen is not None:  # the corners cut out the picture on which the points lie
            cut = alignment.Crop(quad.astype(float), 64).to_crop(seen * [width, height]) / 64
            assert cut == pytest.approx(points, abs=1e-4)
    columns = driving.table(track)
    assert columns["frame"].tolist() == list(range(count)) and columns["time_s"][5] == 5 / 25


def _tracked(faces, rate=Fraction(25), images=None, smoothing_hz=1e3, **options):
    """Track of faces, points of an image of 100 px, or None; `images` default to one picture each."""
    count = len(faces)
    images = images or [np.full((100, 100, 3), n, np.uint8) for n in range(count)]
    frames = [Frame(n, n / float(rate), image) for n, image in enumerate(images)]
    reference = alignment.layout(next(face for face in faces if face is not None)[None], WFLW98)
    who = {name: options[name] for name in ("people", "numbers", "behind") if name in options}
    follower = Watcher(options.pop("detector", None) or FakeDetector(faces), **who)
    return driving.track(frames, follower, reference, clip="clip.mp4", rate=rate, smoothing_hz=smoothing_hz)


def _smiling(face, share):
    """Mouth corners apart by `share`; the crop, made from their middle, does not change."""
    moved = face[0].copy()
    moved[76, 0] -= share
    moved[82, 0] += share
    return moved


def test_short_gaps_are_interpolated_and_long_ones_hold_the_last_pose(face):
    faces = [_smiling(face, 0.001 * n) for n in range(60)]
    lost = [0, 1, 10, 11, 12, *range(20, 33), 59]
    for n in lost:
        faces[n] = None
    track = _tracked(faces)
    corner = (face[0, 76, 0] - track.points[:, 76, 0]) * 1000  # the frame whose smile it is
    truth = np.arange(60.0)
    truth[[0, 1]], truth[20:33], truth[59] = 2, 19, 58
    np.testing.assert_allclose(corner, truth, atol=0.02)
    assert np.flatnonzero(track.interpolated).tolist() == [10, 11, 12]
    assert np.flatnonzero(track.held).tolist() == [0, 1, *range(20, 33), 59]
    assert np.flatnonzero(~track.found).tolist() == lost
    assert track.counts == {"frames": 60, "found": 41, "interpolated": 3, "held": 16}
    for column in (track.points, track.angles, track.canonical, track.time_s):
        assert np.isfinite(column).all()


def test_half_a_second_is_the_longest_gap_that_is_interpolated(face):
    for lost, kind in ((12, "interpolated"), (13, "held")):
        faces = [face[0]] * 5 + [None] * lost + [face[0]] * 5
        assert getattr(_tracked(faces, rate=Fraction(24)), kind).sum() == lost


def test_a_cut_begins_a_shot_whose_crop_owes_nothing_to_the_one_before(face):
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 255, (2, 100, 100, 3), dtype=np.uint8)
    one, other = (np.kron(image[:10, :10], np.ones((10, 10, 1), np.uint8)) for image in (one, other))
    faces = [face[0]] * 10 + [0.5 * face[0] + 0.3] * 10  # smaller and elsewhere after the cut
    images = [one.copy() for _ in range(10)] + [other.copy() for _ in range(10)]
    reference = alignment.layout(face, WFLW98)
    frames = [Frame(n, n / 25, image) for n, image in enumerate(images)]
    track = driving.track(
        frames,
        Watcher(FakeDetector(faces)),
        reference,
        clip="a.mp4",
        rate=Fraction(25),
        smoothing_hz=0.5,
    )
    assert track.shot.tolist() == [0] * 10 + [1] * 10
    np.testing.assert_allclose(track.points, np.repeat(face, 20, axis=0), atol=1e-4)


def test_a_gap_across_a_cut_holds(face):
    rng = np.random.default_rng(0)
    shots = [np.kron(rng.integers(0, 255, (10, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8) for _ in "ab"]
    faces = [face[0], face[0], None, None, face[0], face[0]]
    images = [shots[n > 2].copy() for n in range(6)]
    track = _tracked(faces, images=images)
    assert track.held.tolist() == [False, False, True, True, False, False]


def test_a_clip_of_several_people_says_whose_pose_each_row_has(face):
    faces = [face[0], face[0], None, face[0], face[0], None]
    track = _tracked(faces, people=[0, 0, 1, 1, 2, 2], numbers=[0, 1, 0])
    assert track.person.tolist() == [0, 0, 0, 1, 0, 0]  # a pose that is held is that of the one who had it
    assert track.shot.tolist() == [0, 0, 0, 1, 2, 2] and not track.interpolated.any()
    assert driving.table(track)["person"].tolist() == track.person.tolist()
    again, _ = driving.adopt(
        _as_table(track), {}, alignment.layout(face, WFLW98), clip="x.parquet", scheme=WFLW98
    )
    assert again.person.tolist() == track.person.tolist()


def test_a_face_that_is_half_hidden_before_and_after_it_is_hidden_is_not_found(face):
    behind = [10, 11, 12, 20]
    faces = [None if n in behind else face[0] for n in range(40)]
    near = [*range(5, 26)]  # a fifth of a second away or less, at 25 Hz
    track = _tracked(faces, behind=behind)
    assert np.flatnonzero(~track.found).tolist() == near
    assert _tracked(faces[8:14], behind=[2, 3, 4]).found.tolist() == [True, True, False, False, False, True]
    assert np.flatnonzero(~_tracked(faces).found).tolist() == behind


def test_a_clip_of_one_person_does_not_number_people(face):
    track = _tracked([face[0]] * 3, people=[0, 1, 1], numbers=[0, 0])
    assert track.person is None and "person" not in driving.table(track)


def test_a_face_that_comes_back_elsewhere_is_in_its_crop_at_once(face):
    away = [None] * 20
    faces = [face[0] - [0.2, 0]] * 10 + away + [0.7 * face[0] + [0.4, 0.1]] * 10 + away
    track = _tracked(faces, smoothing_hz=0.5)
    assert track.held.sum() == 40
    np.testing.assert_allclose(track.points, np.repeat(track.points[:1], 60, axis=0), atol=1e-4)


def test_a_repeated_picture_is_looked_at_once(face):
    image = np.zeros((100, 100, 3), np.uint8)
    detector = FakeDetector([face[0]])
    assert _tracked([face[0]], images=[image] * 7, detector=detector).found.all()


def test_the_roll_of_the_table_is_that_of_its_points(face):
    class Tilted(FakeDetector):
        def detect(self, images):
            seen = super().detect(images)
            seen.angles[:, 2] = 20
            return seen

    tilted = _similar(face, 1, 20, [0.3, -0.1])[0]
    frames = [Frame(n, n / 25, np.full((100, 100, 3), n, np.uint8)) for n in range(10)]
    track = driving.track(
        frames,
        Watcher(Tilted([tilted] * 10)),
        alignment.layout(face, WFLW98),
        clip="a.mp4",
        rate=Fraction(25),
        smoothing_hz=1,
    )
    np.testing.assert_allclose(track.points[5], face[0], atol=1e-4)
    np.testing.assert_allclose(track.angles[:, 2], 0, atol=1e-3)


def _as_table(track, **changes):
    return pyarrow.table(driving.table(track) | changes)


def test_a_table_of_the_pipeline_comes_back_as_it_was(face, tmp_path):
    faces = [_smiling(face, 0.001 * n) if n % 7 else None for n in range(40)]
    track = _tracked(faces)
    facts = provenance.provenance(stage="driving", rate="25")
    tables.write_parquet(driving.table(track), tmp_path / "talk.parquet", metadata=facts)
    table, metadata = tables.read_driving(tmp_path / "talk.parquet")
    reference = alignment.layout(0.8 * face, WFLW98)
    again, rate = driving.adopt(table, metadata, reference, clip="talk.parquet", scheme=WFLW98)
    assert rate == 25
    for name in ("points", "found", "score", "angles", "time_s", "shot", "interpolated", "held"):
        np.testing.assert_allclose(getattr(again, name), getattr(track, name), atol=1e-6, err_msg=name)


def test_a_foreign_table_is_laid_out_and_timed_anew(face):
    points = np.repeat(_similar(face, 0.5, 0, [0.3, 0.1]), 20, axis=0)
    points[:, :, 0] += np.linspace(0, 0.02, 20)[:, None]
    time_s = 5 + np.delete(np.arange(21) / 30, 8)
    table = pyarrow.table(
        {"time_s": time_s, "found": np.ones(20, bool), "points": tables.points_column(points)}
    )
    track, rate = driving.adopt(table, {}, alignment.layout(face, WFLW98), clip="x.parquet", scheme=WFLW98)
    assert rate == 30 and len(track.found) == 21  # the missing frame is there again
    np.testing.assert_allclose(track.time_s, np.arange(21) / 30)
    np.testing.assert_allclose(track.points.mean(axis=0), face[0], atol=0.005)
    assert np.ptp(track.points[:, 54, 0]) == pytest.approx(0.04, rel=0.01)  # motion is kept
    assert track.held.sum() == 0 and np.isfinite(track.angles).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"points": None}, "x.parquet lacks the column points; a clip's landmark table has time_s"),
        ({"time_s": None, "found": None}, "x.parquet lacks the column time_s, found; a clip's"),
        ({"points": np.zeros(10)}, "x.parquet has a column of another kind .*; a clip's landmark"),
        ({"time_s": ["a"] * 10}, "x.parquet has a column of another kind .*; a clip's landmark"),
        ({"time_s": np.zeros(10)}, "times that do not rise from row to row; sort it by time_s"),
        ({"time_s": np.arange(10)[::-1] / 25}, "times that do not rise from row to row; sort it"),
        ({"time_s": np.full(10, np.nan)}, "times that do not rise from row to row; sort it"),
        ({"found": np.zeros(10, bool)}, "x.parquet: no face was found in any of 10 frames; choose"),
        ({"points": "blank"}, "points that are no numbers in row 3, where found is true; set it"),
        ({"points": "pixels"}, "x.parquet has points in pixels; divide x and y by the side"),
        ({"points": "68"}, "x.parquet has 68 points a face, not the 98 of landmarks.detector; track"),
        ({"rows": 0}, "x.parquet has no row; a clip's landmark table has .*, one row a frame"),
    ],
)
def test_a_table_that_is_no_clip_is_refused_in_one_sentence(face, changes, words):
    track = _tracked([face[0]] * 10)
    blank = track.points.copy()
    blank[3, 5] = np.nan
    points = {"blank": blank, "pixels": 512 * track.points, "68": track.points[:, :68]}
    columns = driving.table(track)
    rows = changes.get("rows", 10)
    for name, value in changes.items():
        if name == "points" and isinstance(value, str):
            value = tables.points_column(points[value])
        columns[name] = value
    table = pyarrow.table({n: v for n, v in columns.items() if v is not None and n != "rows"})[:rows]
    with pytest.raises(ValueError, match=words) as caught:
        driving.adopt(table, {}, alignment.layout(face, WFLW98), clip="x.parquet", scheme=WFLW98)
    assert "\n" not in str(caught.value)


def test_a_table_tracked_by_another_detector_is_refused_with_both_names(face):
    table, reference = _as_table(_tracked([face[0]] * 10)), alignment.layout(face, WFLW98)
    given = {"clip": "x.parquet", "scheme": WFLW98, "detector": "facemesh"}
    for metadata in ({}, {"detector": "facemesh"}):
        assert driving.adopt(table, metadata, reference, **given)[0].found.all()
    with pytest.raises(ValueError, match="x.parquet was tracked by the landmark detector other .* facemesh"):
        driving.adopt(table, {"detector": "other"}, reference, **given)


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and nothing else", b"x,y\n1,2\n"])
def test_a_file_that_is_no_table_is_refused_with_what_to_give(tmp_path, content):
    if content is not None:
        (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(ValueError, match="x.parquet .*; give a table as `track_driving` writes it"):
        tables.read_driving(tmp_path / "x.parquet")


def test_a_drawn_clip_shows_the_points(face):
    track = _tracked([face[0]] * 3)
    images = list(driving.pictures_of(track, size=128))
    assert len(images) == 3 and images[0].shape == (128, 128, 3)
    dark = np.argwhere(images[0].min(axis=2) < 128)
    inside = track.points[0] * 128
    assert dark[:, 1].min() == pytest.approx(inside[:, 0].min(), abs=2)
    assert dark[:, 0].max() == pytest.approx(inside[:, 1].max(), abs=2)


def test_a_clip_without_any_face_is_one_sentence(face):
    frames = [Frame(i, i / 25, np.zeros((8, 8, 3), np.uint8)) for i in range(3)]
    with pytest.raises(ValueError, match="clip.mp4: no face was found in any of 3 frames; choose"):
        driving.track(
            frames,
            Watcher(FakeDetector([None] * 3)),
            alignment.layout(face, WFLW98),
            clip="clip.mp4",
            rate=Fraction(25),
            smoothing_hz=1,
        )
