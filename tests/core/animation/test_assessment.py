from fractions import Fraction

import numpy as np
import pyarrow
import pytest

from d2a_core.animation import assessment
from d2a_core.faces.dlib_landmarks import as_68
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98
from d2a_core.media import video_writing
from d2a_core.media.video_reading import Frame
from d2a_core.store import tables

REST = (0.25 * template_of(WFLW98)[:, :2] + [0.5, 0.4]).astype(np.float32)
OCULAR = 0.25  # distance of the outer eye corners of REST


class Detector:
    """Sees the face shifted to the right by a hundredth of the side for each grey level; none on black."""

    def detect(self, images):
        level = images[:, 0, 0, 0].astype(np.float32)
        points = REST + np.stack((level / 100, np.zeros_like(level)), axis=1)[:, None]
        found = level > 0
        points[~found] = np.nan
        return Detections(points, found.astype(np.float32), found, np.zeros((len(images), 3)), points)


class Embedder:
    """Likeness falls with the grey level; no face has none."""

    def embed(self, images, points):
        angle = images[:, 0, 0, 0] / 10.0
        rows = np.stack((np.cos(angle), np.sin(angle)), axis=1)
        rows[np.isnan(points).any(axis=(1, 2))] = np.nan
        return rows


class Second:
    """Sees all points 0.02 further down than the first detector, as a habit."""

    def points(self, images, faces):
        return as_68(faces) + np.float32([0, 0.02])


def _face(*levels):
    """Embeddings of faces of these grey levels."""
    return np.stack([(np.cos(level / 10), np.sin(level / 10)) for level in levels])


def _assess(levels, driver, times=1, faces=assessment.UNKNOWN, strangers=assessment.UNKNOWN, asked=None):
    frames = [Frame(i, i / 25, np.full((8, 8, 3), level, np.uint8)) for i, level in enumerate(levels)]
    photo = np.full((8, 8, 3), 1, np.uint8)
    asked = len(levels) if asked is None else asked
    target = REST + np.zeros((asked, 1, 2), np.float32) + [0.01, 0]
    known_s, time_s = np.arange(len(driver)) / 25, np.arange(asked) / 25 / times
    driving = assessment.Driving(driver, known_s, target, time_s, faces, strangers)
    return assessment.assess(frames, photo, REST[None], driving, Detector(), Embedder(), Second())


def test_figures_of_a_still_video_are_its_distance_from_driver_and_target():
    driver = np.repeat(REST[None] + [0.04, 0], 7, axis=0)
    figures = _assess([2] * 7, driver)
    assert figures["nme"] == pytest.approx(0.02 / OCULAR, rel=1e-3)
    assert figures["nme_target"] == pytest.approx(0.01 / OCULAR, rel=1e-3)
    assert figures["nme_dlib_target"] == pytest.approx(0.01 / OCULAR, rel=1e-3)  # without the habit
    assert figures["psnr_outside"] == pytest.approx(20 * np.log10(255 / 1))  # one grey level off the photo
    assert figures["jitter"] == pytest.approx(0, abs=1e-6) and figures["flicker"] == 0
    assert figures["identity"] == pytest.approx(np.cos(0.1), abs=1e-4)
    assert (figures["frames"], figures["lost"]) == (7, 0)


def test_a_frame_without_a_face_is_counted_and_spoils_no_mean():
    driver = np.repeat(REST[None] + [0.02, 0], 7, axis=0)
    figures = _assess([2, 2, 0, 2, 2, 3, 2], driver)
    assert figures["lost"] == 1
    assert figures["nme"] == pytest.approx(0.01 / OCULAR / 6, rel=1e-3)  # one of six seen is off by 0.01
    assert figures["least_identity"] == pytest.approx(np.cos(0.2), abs=1e-4)
    row = assessment.columns(figures, source="a", clip="b")
    assert list(row)[:2] == ["source", "clip"] and row["lost"] == [1]


def test_a_video_of_another_rate_is_measured_at_the_moments_of_its_clip():
    levels = np.arange(2, 30)  # one step to the right a frame, four frames for one of the driver
    driver = REST + np.stack((levels[::4] / 100, 0 * levels[::4]), axis=1)[:, None]
    figures = _assess(levels, driver.astype(np.float32), times=4)
    assert figures["nme"] == pytest.approx(0, abs=1e-6) and figures["frames"] == 28
    assert figures["jitter"] == pytest.approx(0, abs=1e-6)
    half = _assess(levels[::8], driver.astype(np.float32), times=0.5)  # every other one: read in between
    assert half["nme"] == pytest.approx(0, abs=1e-6) and half["frames"] == 4


def test_a_video_that_alternates_flickers_by_twice_the_difference():
    driver = np.repeat(REST[None], 6, axis=0)
    assert _assess([2, 5, 2, 5, 2, 5], driver)["flicker"] == pytest.approx(2 * 3)
    assert _assess([2, 4, 6, 8, 10, 12], driver)["flicker"] == pytest.approx(0)  # a steady fade
    assert np.isnan(_assess([2, 5], driver[:2])["flicker"])


def test_a_frame_more_than_was_asked_for_is_not_compared_with_it():
    levels, driver = [2] * 6, np.repeat(REST[None], 6, axis=0)
    longer, whole = _assess(levels, driver, asked=5), _assess(levels, driver)
    assert longer["nme_dlib_target"] == pytest.approx(whole["nme_dlib_target"])


def test_likeness_to_the_driver_stands_beside_that_of_strangers():
    driver = np.repeat(REST[None], 7, axis=0)
    blind = np.full((1, 2), np.nan)
    people = {"faces": np.concatenate((_face(7, 7), blind)), "strangers": _face(*range(17, 37))}
    figures = _assess([2] * 7, driver, **people)
    assert figures["driver_identity"] == pytest.approx(np.cos(0.5), abs=1e-5)
    assert figures["driver_identity_source"] == pytest.approx(np.cos(0.6), abs=1e-5)
    others = np.cos((np.arange(17, 37) - 7) / 10)
    assert figures["driver_strangers"] == pytest.approx(others.mean(), abs=1e-5)
    assert figures["driver_strangers_high"] == pytest.approx(np.quantile(others, 0.95), abs=1e-5)


def test_a_summary_is_one_line_and_leaves_out_nobody():
    names = [f"driver_{name}_correlation" for name in ("yaw", "mouth", "eye")]
    names += ["identity", "driver_identity"]
    figures = dict(zip(names, (0.912, -0.1, np.nan, 0.95, 0.83), strict=True))
    figures |= {"driver_strangers": 0.81, "driver_strangers_high": 0.9}
    said = assessment.summary(figures)
    assert said == (
        "follows its driver: yaw 0.91, mouth −0.10, eye –; likeness to the source 0.95, "
        "to the driver 0.83 (strangers 0.81, one in twenty above 0.90)"
    )
    assert assessment.summary(figures | {"driver_identity": np.nan}) == said.split(", to the")[0]


def test_nobody_behind_a_landmark_table_has_no_likeness():
    figures = _assess([2] * 7, np.repeat(REST[None], 7, axis=0))
    names = ["driver_identity", "driver_identity_source", "driver_strangers", "driver_strangers_high"]
    assert all(np.isnan(figures[name]) for name in names)


class Place:
    """Tells where the face is that it shall look at: the mean of its points, in pixels."""

    def embed(self, images, points):
        return points.mean(axis=1) * images.shape[2:0:-1]


def test_drivers_are_seen_where_they_were_followed_on_frames_spread_over_their_clips(tmp_path):
    followed = []
    for name, count in (("a", 40), ("b", 2)):
        images = [np.full((64, 96, 3), 20, np.uint8)] * count
        video_writing.write_frames(images, tmp_path / f"{name}.mp4", rate=Fraction(25), metadata={})
        left = np.arange(count) + 10.0  # a crop of 20 px that goes to the right, the face in its middle
        quads = np.array([[(x, 30), (x, 50), (x + 20, 50), (x + 20, 30)] for x in left])
        points = np.full((count, 98, 2), 0.5, np.float32)
        followed.append(
            pyarrow.table(
                {
                    "found": np.arange(count) != 3,
                    "points": tables.points_column(points),
                    "quad": tables.points_column(quads.astype(np.float32)),
                }
            )
        )
    clips = [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]
    faces = assessment.driver_faces(clips, followed, Place())
    assert len(faces) == assessment.DRIVER_LOOKS + 2
    np.testing.assert_allclose(faces[:, 1], 40, atol=1e-4)
    assert faces[-2:, 0] == pytest.approx([20, 21])
    assert faces[:-2, 0].min() == pytest.approx(20) and faces[:-2, 0].max() == pytest.approx(59)
    assert not np.isclose(faces[:-2, 0], 23).any()  # where nobody was found
    assert len(assessment.driver_faces([], [], Place())) == 0


def test_the_summary_tells_what_was_left_out_and_the_flicker():
    figures = {"frames": 41, "footage_frames": 50, "flicker": 0.612, "footage_flicker": 0.5}
    said = (
        "41 of 50 frames with its face, as its driver lasts; "
        "flicker of the face 0.61 gray levels, in the footage 0.50"
    )
    assert assessment.footage_summary(figures) == said
    assert assessment.footage_summary(figures | {"footage_frames": 41}).startswith(
        "all 41 frames with its face; "
    )


def test_of_several_people_in_footage_the_first_is_measured_at_the_times_of_their_frames():
    latents = {
        "person": np.array([0, 1, 0]),
        "row": np.array([2, 3, 5]),
        "target": np.arange(3.0)[:, None, None],
        "time_s": np.arange(6) / 25,
    }
    own = assessment.of_first(latents)
    assert own["row"].tolist() == [2, 5] and own["target"].ravel().tolist() == [0, 2]
    assert own["time_s"].tolist() == [0.08, 0.2]
