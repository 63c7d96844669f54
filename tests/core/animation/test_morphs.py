import logging
from dataclasses import replace

import numpy as np
import pyarrow
import pytest
import torch
from linear_world import GAIN, REST, LinearWorld, TimidFan

from d2a_core.animation import animations, morphs, retiming
from d2a_core.directions.ball import Ball
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.schemes import scheme_of
from d2a_core.fan import closed_loop
from d2a_core.fan.network import Architecture
from d2a_core.store import tables

LOG = logging.getLogger()
OPTIONS = morphs.Options("turn", "anna", "anna", "ben", frames=25, fps=25.0, loop=False)
SETTINGS = animations.Options(
    motion="absolute", neutral_s=None, rest_lips="source", motion_scale=1.0, pose_scale=1.0,
    expression_scale=1.0, fan="all", poses=3, refinements=0, min_cutoff_hz=2.0, beta=20.0,
    fps=None, slow_motion=1.0, loop=False, surroundings="photo", crf=16,
)  # fmt: skip


class BentWorld(LinearWorld):
    """The face moves by x + 2x² where w moves by x: nine times as fast at 2 as at rest.

    Two bytes of a pixel tell x: one would be coarser than a step.
    """

    def synthesize(self, wplus, size=None, consultation=None):
        x = (wplus[:, :8, 0].mean(dim=1) / 4 * 65535).round()
        image = torch.zeros(len(wplus), 3, 8, 8)
        image[:, :2] = (torch.stack((x // 256, x % 256), dim=1) / 127.5 - 1)[:, :, None, None]
        return image

    def detect(self, images):
        seen = super().detect(images)
        x = images[:, 0, 0, :2].astype(float) @ [256, 1] / 65535 * 4
        seen.points[:] = REST + GAIN * (x + 2 * x**2)[:, None, None]
        return seen


class Root(torch.nn.Module):
    """Knows the way of `BentWorld` from rest."""

    architecture = Architecture(98, 8, 0, 32, 1.0, 2, 8, 1)

    def forward(self, source, target, code):
        delta = torch.zeros(len(source), 8, 512)
        way = ((target - torch.from_numpy(REST)).mean(dim=1) / GAIN).clamp(min=0)
        delta[..., :2] = ((1 + 8 * way).sqrt() - 1)[:, None] / 4
        return delta


def _table(points):
    straight = {name: np.zeros(1, np.float32) for name in ("yaw", "pitch", "roll")}
    return pyarrow.table({"points": tables.points_column(np.asarray(points, np.float32)[None]), **straight})


def _morph(world, fan, start=REST, end=4, motion="absolute", **options):
    animator = closed_loop.Animator(
        world, world, fan, Ball(LinearWorld.mean_w, radius=100.0, reach=100.0), size=8
    )
    poses = [_table(start), _table(REST + end * GAIN)]
    code = np.zeros((1, 16, 512), np.float32)
    settings = replace(SETTINGS, motion=motion)
    return morphs.morph(
        animator, code, _table(REST), poses, replace(OPTIONS, **options), settings=settings, log=LOG
    )


def test_landmarks_go_in_even_steps_where_the_latent_way_is_uneven():
    morph = _morph(BentWorld(), Root(), end=10)
    assert morph.uneven > 0.4
    moved = morph.path.delta[:, 0, 0].numpy()
    assert moved[[0, -1]] == pytest.approx([0, 2], abs=1e-4)
    assert retiming.variation(np.diff(moved + 2 * moved**2)) < 0.1
    assert np.diff(moved)[0] > 3 * np.diff(moved)[-1]


def test_the_ends_are_the_poses_asked_for_and_the_sources_own_is_left_alone():
    morph = _morph(LinearWorld(), TimidFan(0.5))
    assert (morph.path.delta[0] == 0).all()
    assert morph.path.target[0] == pytest.approx(REST, abs=2e-3)
    assert morph.path.target[-1] == pytest.approx(REST + 4 * GAIN * 0.5, abs=2e-3)
    other = _morph(LinearWorld(), TimidFan(1.0), start=REST - 2 * GAIN)
    assert other.path.target[0] == pytest.approx(REST - 2 * GAIN, abs=2e-3)


def test_relative_poses_leave_the_sources_face_its_shape():
    wide = REST * [1.2, 1.0] - [0.1, 0.0]  # somebody else's face, no expression
    shapes = [
        _morph(LinearWorld(), TimidFan(1.0), end=0, start=wide, motion=motion).asked[0]
        for motion in ("absolute", "relative")
    ]
    contour = list(scheme_of(98).parts["contour"])
    far = [np.abs(shape - REST)[contour].max() for shape in shapes]
    assert far[0] > 0.02 and far[1] < far[0] / 2


def test_a_loop_comes_back_and_ends_one_step_before_its_beginning():
    morph = _morph(BentWorld(), Root(), end=10, frames=10, loop=True)
    assert len(morph.path.delta) == len(morph.path.target) == len(morph.times.time_s) == 18
    lengths = retiming.steps(np.concatenate((morph.path.target, morph.path.target[:1])))
    assert lengths.max() < 1.3 * lengths.mean()  # from the last frame to the first, too


def test_a_frame_without_a_face_is_taken_to_lie_between_its_neighbours():
    world = LinearWorld(blind={5, 6})
    morph = _morph(world, TimidFan(1.0))
    assert np.isfinite(morph.path.target).all()
    assert retiming.variation(retiming.steps(morph.path.target)) < 0.1


def test_a_steady_look_is_the_mean_of_looks_at_shifted_copies():
    class Trembling:
        """Finds the one bright spot of a picture, a pixel further where its place is odd."""

        def detect(self, images):
            places = np.array([np.unravel_index(image[..., 0].argmax(), image.shape[:2]) for image in images])
            points = (places + places % 2)[:, None, ::-1] / 256
            return Detections(points, *[np.ones(len(images))] * 2, None, points)

    frame = np.zeros((256, 256, 3), np.uint8)
    frame[101, 60] = 255  # rows 94, 101, 108; columns 53, 60, 67
    looked = morphs.steady_look(Trembling(), frame)
    assert looked == pytest.approx(np.array([[[60 + 2 / 3, 101 + 1 / 3]]]) / 256)


def test_a_watched_morph_is_measured_as_it_is():
    world = LinearWorld()
    morph = _morph(world, TimidFan(1.0), frames=5, loop=True)
    watch = morphs.Watch(world, count=5, columns=3)
    levels = [0, 1, 2, 4, 4, 4, 2, 1]  # of 4: uneven frames, whatever was planned
    frames = [np.full((8, 8, 3), round((level / 8 + 1) * 127.5), np.uint8) for level in levels]
    assert len(list(watch.over(iter(frames)))) == 8
    figures = watch.figures(morph)
    assert (figures["frames"], figures["lost"]) == (5, 0)
    assert figures["variation"] == pytest.approx(np.std([1, 1, 2, 0]), abs=0.05)  # of mean 1
    assert figures["nme_start"] == pytest.approx(0, abs=0.02) and figures["nme_end"] < 0.02
    assert watch.sheet().ndim == 3 and watch.wanted == [0, 2, 4]


def test_a_summary_tells_the_steps_with_and_without_spacing():
    figures = {"step": 0.0063, "variation": 0.118, "variation_uneven": 0.352}
    said = "steps of 0.6 % of the eyes' distance vary by 12 % (35 % without even spacing)"
    assert morphs.summary(figures) == said
