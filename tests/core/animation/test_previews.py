import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import image_world
import numpy as np
import pyarrow
import pytest
import torch
import yaml
from image_world import BALL, SIZE, MeasuredWorld, ShareOfTheWay, loss_of

from d2a_core.animation import animations, previews
from d2a_core.fan.closed_loop import Animator
from d2a_core.inversion import inversion
from d2a_core.store import tables

CONFIG = yaml.safe_load((Path(__file__).parents[3] / "config.yaml").read_text())["animations"]
NESTED = ("paste_back", "comparison")
OPTIONS = animations.Options(**{key: value for key, value in CONFIG.items() if key not in NESTED})
PREVIEW = previews.Options(size=SIZE, fps=12.5, steps=7, refinements=0)
RATE = Fraction(25)


@pytest.fixture
def animator():
    world = MeasuredWorld()
    return Animator(world, world, ShareOfTheWay(1.0), BALL, SIZE, loss_of(world=world))


def subject_of(animator, preview=PREVIEW):
    photo = np.full((SIZE, SIZE, 3), 128, np.uint8)
    return previews.of_code(animator, np.zeros((1, 10, image_world.WIDTH), np.float32), photo, preview)


def clip(count):
    """A face that goes to the right by a hundredth of the picture with every frame."""
    rest = image_world.REST.numpy()
    points = np.stack([rest + [0.01 * index, 0] for index in range(count)]).astype(np.float32)
    columns = {"time_s": np.arange(count) / float(RATE), "points": tables.points_column(points)}
    angles = {name: np.zeros(count, np.float32) for name in ("yaw", "pitch", "roll")}
    return pyarrow.table({**columns, **angles})


def shown(animator, subject, driver, preview=PREVIEW, **options):
    settings = replace(OPTIONS, **options)
    delta, times = previews.behind(
        animator, subject, driver, RATE, settings, preview, log=logging.getLogger("test")
    )
    return list(previews.frames(animator, subject, delta, "generator", preview)), times


def test_a_preview_shows_every_second_frame_of_a_clip_of_25(animator):
    frames, times = shown(animator, subject_of(animator), clip(20))
    assert len(frames) == 10 and times.rate == Fraction(25, 2)
    assert times.time_s == pytest.approx(np.arange(10) / 12.5)


def test_a_rate_that_is_asked_for_and_lower_is_kept(animator):
    frames, times = shown(animator, subject_of(animator), clip(20), fps=5.0)
    assert len(frames) == 4 and times.rate == 5


def test_the_face_goes_where_the_clip_leads_it(animator):
    frames, _ = shown(animator, subject_of(animator), clip(20))
    seen = animator.detector.detect(np.stack(frames)).points[:, 0, 0]
    assert np.diff(seen).min() > 0  # to the right with every frame
    assert seen[-1] - seen[0] == pytest.approx(0.18, abs=0.03)


def test_a_face_without_a_driver_turns_to_both_sides_and_comes_back(animator):
    subject = subject_of(animator)
    delta, times = previews.moves(animator, subject, PREVIEW)
    assert len(delta) == 40 and times.rate == Fraction(25, 2)  # 3.2 s
    frames = list(previews.frames(animator, subject, delta, "generator", PREVIEW))
    seen = animator.detector.detect(np.stack(frames)).points[:, :, 0].mean(axis=1)
    assert seen.max() > seen[0] > seen.min()
    assert seen[-1] == seen[0]


def test_a_preview_is_of_its_size(animator):
    small = previews.Options(size=32, fps=12.5, steps=7, refinements=0)
    subject = subject_of(animator, small)
    frames, _ = shown(animator, subject, clip(4), small)
    assert subject.photo.shape == subject.still.shape == frames[0].shape == (32, 32, 3)


def test_a_face_that_is_not_seen_is_one_sentence(animator):
    animator.detector.hidden = True
    with pytest.raises(ValueError, match="no face is seen on a first look at the photo; leave --preview out"):
        subject_of(animator)


@pytest.mark.parametrize("started, common", [(True, 0), (False, 7)])
def test_the_steps_of_a_preview_begin_at_the_encoders_code_or_look_for_a_common_one(started, common):
    names = dict.fromkeys(inversion.Options.__annotations__, 1.0)
    whole = inversion.Options(**{**names, "method": "hfgi", "tune": True, "full_steps": 4})
    quick = previews.hurried(whole, PREVIEW, started=started)
    assert (quick.w_steps, quick.wplus_steps, quick.full_steps) == (common, 7, 0)
    assert quick.method == "optimize" and not quick.tune


def test_the_code_of_a_photo_is_that_of_the_code_that_it_shows(animator):
    subject = subject_of(animator)
    assert torch.equal(torch.from_numpy(subject.wplus), torch.zeros(1, 10, image_world.WIDTH))
    assert len(subject.landmarks) == 1
