import image_world
import numpy as np
import pytest
import torch
from image_world import BALL, loss_of, weights

from d2a_core.animation import performances
from d2a_core.directions.ball import Ball
from d2a_core.faces import controls
from d2a_core.faces.geometry import ATTRIBUTES
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98

SHAPE = template_of(WFLW98)[None, :, :2].astype(np.float32)
FACE = 0.25 * SHAPE + np.float32([0.5, 0.4])
POSES = performances.poses()
PLAN = performances.Performance(name="p", seed=0, truncation=1.0, seconds=4.0, fps=50)
LAYERS, WIDTH = 8, 16


def performer(found=True):
    seen = np.array([found])
    return Detections(FACE, seen.astype(np.float32), seen, np.zeros((1, 3), np.float32), SHAPE)


def store(width=WIDTH):
    """Directions that each move one attribute."""
    count = min(len(ATTRIBUTES), width)
    return {
        "vector": np.repeat(np.eye(len(ATTRIBUTES), width, dtype=np.float32)[:, None], LAYERS, axis=1)[
            :count
        ],
        "effect": np.diag(np.arange(1.0, len(ATTRIBUTES) + 1)).astype(np.float32)[:count],
        "deviation": np.arange(1.0, len(ATTRIBUTES) + 1, dtype=np.float32),
    }


def test_the_score_turns_nods_speaks_smiles_blinks_twice_and_raises_brows():
    asked = {name for values in POSES for name in values}
    assert asked == {"yaw", "pitch", "mouth_open", "smile", "eyes_closed", "brows_up"}
    assert sum(values.get("eyes_closed") == 100 for _, values in performances.SCORE) == 2
    assert [values for _, values in performances.SCORE if values and values not in POSES] == []
    for values in POSES:
        assert controls.clamped(values, WFLW98)[1] == []


def test_a_performance_rests_at_both_ends_passes_its_poses_and_never_jumps():
    delta = torch.randn(len(POSES), LAYERS, WIDTH)
    frames = performances.played(delta, seconds=PLAN.seconds, fps=PLAN.fps)
    assert frames.shape == (200, LAYERS, WIDTH)
    assert (frames[0] == 0).all() and frames[-1].abs().max() < 1e-5
    seconds = {number: second for number, (second, _) in enumerate(performances.SCORE)}
    for number, (_, values) in enumerate(performances.SCORE):
        frame = round(seconds[number] / performances.SCORE_SECONDS * 199)
        wanted = delta[POSES.index(values)] if values else torch.zeros(LAYERS, WIDTH)
        assert (frames[frame] - wanted).abs().max() < 0.35
    longest = max(
        (a - b).norm() for a, b in zip(delta, [*delta[1:], torch.zeros(LAYERS, WIDTH)], strict=True)
    )
    assert frames.diff(dim=0).norm(dim=(1, 2)).max() < 0.5 * longest


def test_directions_give_the_pose_on_the_first_layers_and_the_face_on_the_rest():
    delta = performances.steered(store(), performer()).numpy()
    share = 1 / (1 + performances.STEER_RIDGE)  # of ridge regression on one unit direction
    right = next(row for row, values in enumerate(POSES) if values.get("yaw", 0) > 0)
    yaw, mouth = ATTRIBUTES.index("yaw"), ATTRIBUTES.index("mouth_opening")
    assert delta[right, 0, yaw] == pytest.approx(POSES[right]["yaw"] / (yaw + 1) * share, rel=1e-3)
    assert delta[right, 7, yaw] == 0 and delta[right, 0, mouth] == 0
    opened = POSES[right]["mouth_open"] / 100
    assert delta[right, 7, mouth] == pytest.approx(opened / (mouth + 1) * share, rel=1e-3)
    blink = POSES.index({"eyes_closed": 100})
    assert delta[blink, 7, ATTRIBUTES.index("eye_opening")] < 0


def test_without_gradients_directions_are_all_and_they_stay_in_the_ball():
    ball = Ball(torch.zeros(WIDTH), radius=0.5, reach=0.5)
    delta = performances.perform(None, ball, store(), torch.zeros(1, 10, WIDTH), performer(), steps=12)
    assert delta.norm(dim=-1).max() == pytest.approx(0.5, abs=1e-4)


def test_gradient_steps_lead_nearer_to_the_poses(monkeypatch):
    monkeypatch.setattr(performances, "START", 0.0)
    loss = loss_of(weights(landmarks=1.0))
    code = torch.zeros(1, 10, image_world.WIDTH)
    rest = loss.detector.detect(np.full((1, 64, 64, 3), 128, np.uint8))
    seen = Detections(rest.points, rest.score, rest.found, np.zeros((1, 3), np.float32), SHAPE)
    delta = performances.perform(loss, BALL, store(image_world.WIDTH), code, seen, steps=12)
    row = POSES.index({"pitch": 14, "smile": 10})
    moved = code.clone()
    moved[:, :LAYERS] += delta[row]
    goal = controls.asked(seen.points, seen.angles, POSES[row])
    before, after = (
        np.abs(points - goal).mean() for points in (seen.points, image_world.seen(moved).numpy())
    )
    assert after < 0.95 * before


def test_a_performer_without_a_face_is_one_sentence():
    with pytest.raises(ValueError, match="choose another driving.performances.seed"):
        performances.perform(None, BALL, store(), torch.zeros(1, 10, WIDTH), performer(found=False), steps=12)
