from dataclasses import replace

import numpy as np
import pytest

from d2a_core.animation import motion
from d2a_core.animation.motion import Transfer
from d2a_core.faces.geometry import normalized_mean_error, rotation_matrix
from d2a_core.faces.heads import lift, lift_clip
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68, WFLW98, scheme_of

FACE = template_of(WFLW98)
MOUTH, EYES = slice(76, 96), slice(60, 76)
AS_IT_IS = Transfer("relative", scale=1.0, pose=1.0, expression=1.0, rest_lips="source")


def goal(source, driver, neutral=0, source_angles=None, driver_angles=None, **changes):
    """What the source is asked for, from landmarks, with these `changes` to a transfer as it is."""
    scheme = scheme_of(driver.shape[1])
    heads = lift(source, scheme, source_angles), lift_clip(driver, scheme, driver_angles)
    return motion.goal(*heads, replace(AS_IT_IS, **changes), neutral=neutral)


def another_face():
    """Someone broader, with a wider mouth, thicker nose and longer chin than the mean face."""
    face = FACE * [1.05, 0.96, 1.02]
    face[MOUTH, 0] *= 1.12
    face[51:60, 0] *= 1.2
    face[:33] *= [1.05, 1.04, 1.0]
    return face


def picture(shape, yaw=0.0, pitch=0.0, roll=0.0, scale=0.25, shift=(0.5, 0.4)):
    return (scale * (shape @ rotation_matrix(yaw, pitch, roll).T)[:, :2] + shift).astype(np.float32)


def opened(face, gap):
    """A mouth whose lower lip and chin are `gap` lower; a gap below zero would cross the lips."""
    face = face.copy()
    face[[*range(83, 88), *range(93, 96)], 1] += gap
    face[10:23, 1] += 0.7 * gap
    return face


def blinking(face, share):
    """Lids at `share` of their opening."""
    face = face.copy()
    for upper, lower in WFLW98.lids:
        middle = (face[upper, 1] + face[lower, 1]) / 2
        face[upper, 1] = middle + share * (face[upper, 1] - middle)
        face[lower, 1] = middle + share * (face[lower, 1] - middle)
    return face


def lips(points):
    return points[:, 94, 1] - points[:, 90, 1]


def lids(points):
    return np.mean([points[:, low, 1] - points[:, up, 1] for up, low in WFLW98.lids], axis=0)


def test_absolute_motion_is_the_drivers_own_landmarks():
    driver = np.stack([picture(opened(FACE, 0.05 * n), yaw=8 * n, roll=n) for n in range(5)])
    found = goal(picture(another_face())[None], driver, motion="absolute")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, driver, atol=1e-6)


def test_relative_motion_of_ones_own_clip_is_the_clip():
    driver = np.stack(
        [picture(opened(another_face(), 0.1 * (n % 2)), yaw=6 * n, pitch=2 * n) for n in range(5)]
    )
    found = goal(driver[:1], driver)
    assert normalized_mean_error(found, driver).max() < 0.005


@pytest.mark.parametrize("with_angles", [True, False])
@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (-15, 0), (10, 8)])
def test_a_turn_of_the_driver_turns_another_face_without_shearing_it(yaw, pitch, with_angles):
    turns = np.linspace(-30 - min(yaw, 0), 30 - max(yaw, 0), 25)  # the source ends within 30 degrees
    still = int(np.abs(turns).argmin())
    source, rest = another_face(), rotation_matrix(yaw, pitch, 0)
    truth = np.stack([picture(source @ (rotation_matrix(turn, 0, 0) @ rest).T) for turn in turns])
    driver = np.stack([picture(FACE, yaw=turn) for turn in turns])
    angles = {
        "source_angles": np.array([[yaw, pitch, 0]]),
        "driver_angles": np.column_stack((turns, 0 * turns, 0 * turns)),
    }
    found = goal(picture(source, yaw, pitch)[None], driver, still, **(angles if with_angles else {}))
    assert normalized_mean_error(found, truth).max() < 0.02


def test_offsets_in_the_plane_would_shear_it():
    source, rest = another_face(), rotation_matrix(-15, 0, 0)
    truth = picture(source @ (rotation_matrix(30, 0, 0) @ rest).T)
    start = picture(source, -15)
    moved = start + picture(FACE, 30) - picture(FACE)
    assert normalized_mean_error(moved[None], truth[None])[0] > 0.04


def test_relative_motion_starts_at_the_source_and_keeps_its_shape():
    source = picture(another_face(), yaw=5)[None]
    driver = np.stack([picture(opened(0.8 * FACE, 0.04 * n), yaw=10) for n in range(4)])
    found = goal(source, driver)
    np.testing.assert_allclose(found[0], source[0], atol=1e-6)
    np.testing.assert_allclose(found[3, EYES], source[0, EYES], atol=1e-3)


def test_motion_has_the_size_of_the_face_that_moves():
    source = picture(another_face(), scale=0.25)[None]
    near = np.stack([picture(opened(another_face(), gap), scale=0.5) for gap in (0, 0.2)])
    found = goal(source, near)
    assert lips(found)[1] - lips(found)[0] == pytest.approx(0.25 * 0.2, rel=0.02)


def test_an_open_mouth_starts_closed_behind_a_closed_driver_and_opens_as_far():
    teeth = opened(another_face(), 0.2)
    driver = np.stack([picture(opened(FACE, gap)) for gap in (0, 0.3)])
    kept = goal(picture(teeth)[None], driver)
    found = goal(picture(teeth)[None], driver, rest_lips="driver")
    at_rest, unit = lips(picture(another_face())[None])[0], 0.25
    assert lips(kept)[0] == pytest.approx(at_rest + 0.2 * unit, abs=0.004)
    assert lips(found)[0] == pytest.approx(at_rest, abs=0.004)
    assert lips(found)[1] - lips(found)[0] == pytest.approx(lips(kept)[1] - lips(kept)[0], abs=0.004)
    np.testing.assert_allclose(found[:, [76, 82]], kept[:, [76, 82]], atol=1e-3)  # a smile stays one
    assert found[0, 16, 1] < kept[0, 16, 1] - 0.01  # the chin comes up
    np.testing.assert_allclose(found[:, :9], kept[:, :9], atol=1e-3)


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_a_mouth_no_further_open_than_the_drivers_stays_as_it_is(gap):
    source, driver = picture(opened(another_face(), gap))[None], picture(opened(another_face(), 0.1))[None]
    found = goal(source, driver, rest_lips="driver")
    np.testing.assert_allclose(found, source, atol=1e-3)
    teeth = picture(opened(another_face(), 0.3))[None]
    still = {"rest_lips": "driver", "expression": 0.0}
    np.testing.assert_allclose(goal(teeth, driver, **still), teeth, atol=1e-3)


def test_unknown_rest_lips_name_the_known_ones():
    with pytest.raises(ValueError, match="animations.rest_lips is 'mine'; choose 'driver' or 'source'"):
        replace(AS_IT_IS, rest_lips="mine")


def test_pose_and_expression_are_scaled_apart():
    source = picture(another_face())[None]
    driver = np.stack([picture(FACE), picture(opened(FACE, 0.2), yaw=20)])

    def measured(**factors):
        found = goal(source, driver, **factors)
        nose = found[1, 54, 0] - found[1, [60, 72], 0].mean()
        return np.array([nose, lips(found)[1] - lips(found)[0]])

    nose, gap = measured()
    assert nose > 0.02 and gap > 0.04
    np.testing.assert_allclose(measured(pose=0), [0, gap], atol=2e-3)
    np.testing.assert_allclose(measured(expression=0), [nose, 0], atol=2e-3)
    np.testing.assert_allclose(measured(scale=0), [0, 0], atol=1e-6)
    np.testing.assert_allclose(measured(expression=0.5), [nose, gap / 2], atol=2e-3)
    np.testing.assert_allclose(measured(scale=0.5), measured(pose=0.5, expression=0.5), atol=1e-7)
    half = np.sin(np.radians(10)) / np.sin(np.radians(20))
    assert measured(pose=0.5)[0] / nose == pytest.approx(half, rel=0.05)  # half the angle


def test_no_motion_at_all_is_the_source_in_either_mode():
    source = picture(another_face(), yaw=-8)[None]
    driver = np.stack([picture(opened(FACE, 0.1), yaw=turn) for turn in (0, 20)])
    for mode in ("absolute", "relative"):
        found = goal(source, driver, motion=mode, scale=0.0)
        np.testing.assert_allclose(found, np.repeat(source, 2, axis=0), atol=1e-6)


@pytest.mark.parametrize("wide", [0.8, 1.0, 1.3])
def test_eyes_of_any_opening_close_when_the_drivers_do(wide):
    source = picture(blinking(another_face(), wide))[None]
    driver = np.stack([picture(blinking(FACE, share)) for share in (1, 0.5, 0)])
    opening = lids(goal(source, driver))
    assert opening[1] == pytest.approx(opening[0] / 2, rel=0.05)
    assert opening[2] == pytest.approx(0, abs=0.02 * float(opening[0]))


def test_lips_and_lids_do_not_cross():
    source = picture(another_face())[None]  # closed
    driver = np.stack([picture(opened(FACE, 0.15)), picture(FACE)])  # at rest with an open mouth
    found = goal(source, driver)
    for upper, lower in (*WFLW98.lips, *WFLW98.lids):
        assert found[1, lower, 1] - found[1, upper, 1] > -1e-4


def test_68_points_move_like_98():
    index = list(IBUG68.template)
    source = picture(another_face())[None]
    driver = np.stack([picture(opened(FACE, 0.03 * n), yaw=5 * n) for n in range(5)])
    dense = goal(source, driver)
    sparse = goal(source[:, index], driver[:, index])
    assert normalized_mean_error(sparse, dense[:, index]).max() < 0.01


def test_an_unknown_motion_is_refused():
    with pytest.raises(ValueError, match="animations.motion is 'sideways'; choose 'absolute' or 'relative'"):
        replace(AS_IT_IS, motion="sideways")


def performance(rest):
    """60 frames: the face talks and looks about, blinks at 10 and 40, and rests at `rest`."""
    rng = np.random.default_rng(3)
    frames = []
    for n in range(60):
        quiet = abs(n - rest) <= 4
        gap = 0.0 if quiet else 0.05 + 0.1 * abs(np.sin(n / 3))
        yaw = 0.0 if quiet else 12 * np.sin(n / 9) + 6
        shape = blinking(opened(FACE, gap), 0.05 if n in (10, 11, 40, rest - 1) else 1.0)
        frames.append(picture(shape + rng.normal(0, 0.002, shape.shape), yaw))
    return np.stack(frames)


@pytest.mark.parametrize("rest", [25, 48])
def test_the_neutral_frame_is_where_the_face_rests(rest):
    index = motion.neutral_frame(lift_clip(performance(rest), WFLW98))
    assert abs(index - rest) <= 4 and abs(index - (rest - 1)) > 1  # and not beside the blink


def test_one_closed_mouth_amid_talk_does_not_win():
    clip = performance(30)
    clip[5] = picture(FACE)  # the most neutral frame of all, but its neighbours are not
    assert abs(motion.neutral_frame(lift_clip(clip, WFLW98)) - 30) <= 4


def test_the_neutral_frame_may_be_named_by_its_time():
    time_s = np.arange(50) / 25
    assert motion.neutral_index(time_s, 0.5) == 12 and motion.neutral_index(time_s, 1.96) == 49
    with pytest.raises(ValueError, match="animations.neutral_s is 7 s, but the clip ends at 1.96 s; give"):
        motion.neutral_index(time_s, 7.0)


def test_a_result_that_equals_its_driver_has_no_error_and_its_jitter():
    clip = performance(30)
    figures = motion.compare(clip, clip)
    assert figures["nme"] == 0 and figures["jitter"] == figures["driver_jitter"] > 0
    for name in ("yaw", "mouth", "eye"):
        assert figures[f"driver_{name}_correlation"] == pytest.approx(1)


def test_the_report_tells_what_does_not_follow():
    clip = performance(30)
    turned = np.stack([picture(FACE, yaw=15 * np.sin(n / 9)) for n in range(60)])
    opposed = np.stack([picture(FACE, yaw=-15 * np.sin(n / 9)) for n in range(60)])
    figures = motion.compare(opposed, turned)
    assert figures["driver_yaw_correlation"] == pytest.approx(-1, abs=0.01)
    trembling = clip + np.random.default_rng(0).normal(0, 0.002, clip.shape)
    assert motion.compare(trembling, clip)["jitter"] > 1.5 * motion.compare(clip, clip)["jitter"]
    shifted = motion.compare(clip + np.float32(0.025), clip)
    assert shifted["nme"] == pytest.approx(0.025 * 2**0.5 / 0.25, rel=0.05)


WAVE = np.sin(np.arange(60) / 5)


def test_a_half_of_every_motion_has_a_slope_of_a_half():
    def clip(share):
        faces = [opened(FACE, share * (0.1 + 0.1 * wave)) for wave in WAVE]
        return np.stack([picture(face, yaw=15 * share * w) for face, w in zip(faces, WAVE, strict=True)])

    figures = motion.followed(clip(0.5), clip(1))
    for name in ("yaw", "mouth"):
        assert figures[f"{name}_correlation"] == pytest.approx(1, abs=0.01)
        assert figures[f"{name}_slope"] == pytest.approx(0.5, abs=0.02)


def test_an_eye_that_closes_in_place_of_the_other_follows_nothing():
    def winking(eye):
        face = np.repeat(picture(FACE)[None], 60, axis=0)
        for upper, lower in WFLW98.lids:
            if upper in eye:
                middle = (face[:, upper] + face[:, lower]) / 2
                share = (0.75 + 0.25 * WAVE)[:, None]
                face[:, upper] = middle + share * (face[:, upper] - middle)
                face[:, lower] = middle + share * (face[:, lower] - middle)
        return face

    left, right = winking(WFLW98.left_eye), winking(WFLW98.right_eye)
    same, other = motion.followed(left, left), motion.followed(right, left)
    assert same["left_eye_slope"] == pytest.approx(1) and np.isnan(same["right_eye_slope"])
    assert other["left_eye_slope"] == pytest.approx(0, abs=0.01) and np.isnan(other["right_eye_correlation"])


def test_pupils_that_look_the_other_way_have_a_slope_of_minus_one():
    def looking(sign):
        face = np.repeat(picture(FACE)[None], 60, axis=0)
        face[:, [96, 97], 0] += 0.01 * sign * WAVE[:, None]  # 0.04 inter-ocular distances
        return face

    figures = motion.followed(looking(-1), looking(1))
    assert figures["gaze_x_slope"] == pytest.approx(-1) and figures["gaze_x_correlation"] == pytest.approx(-1)
    assert np.isnan(figures["gaze_y_slope"])


@pytest.mark.parametrize(("degrees", "moves"), [(0.4, False), (1.0, True)])
def test_what_asks_for_less_than_the_noise_stands_still(degrees, moves):
    swing = degrees * 2**0.5  # of a sine with that standard deviation
    clip = np.stack([picture(FACE, yaw=swing * np.sin(n / 63 * 2 * np.pi)) for n in range(63)])
    assert np.isfinite(motion.followed(clip, clip)["yaw_slope"]) == moves


def test_frames_without_a_face_are_left_out_and_none_gives_nan():
    clip = np.stack([picture(FACE, yaw=15 * wave) for wave in WAVE])
    holed = clip.copy()
    holed[::7] = np.nan
    assert motion.followed(holed, clip)["yaw_slope"] == pytest.approx(1, abs=0.01)
    assert all(np.isnan(list(motion.followed(np.full_like(clip, np.nan), clip).values())))


def test_rows_without_a_face_are_left_out_of_the_report():
    clip = performance(30)
    holed = clip.copy()
    holed[7] = np.nan
    assert motion.compare(holed, clip)["nme"] == 0
    with pytest.raises(ValueError, match="no face was found in any of 60 rendered frames"):
        motion.compare(np.full_like(clip, np.nan), clip)


def test_a_single_picture_drives_by_its_turn_and_its_open_mouth():
    driver = picture(opened(another_face(), 0.2), yaw=15)[None]
    turned = {"source_angles": np.zeros((1, 3)), "driver_angles": np.array([[15.0, 0, 0]])}
    found = goal(picture(FACE)[None], driver, neutral=None, **turned)
    truth = picture(opened(FACE, 0.2), yaw=15)[None]
    assert normalized_mean_error(found, truth).max() < 0.06
    assert lips(found) == pytest.approx(lips(truth), abs=0.015)
    width = np.ptp(found[0, :33, 0]) / np.ptp(truth[0, :33, 0])
    assert width == pytest.approx(1, abs=0.02)  # a broader driver makes no broader source
