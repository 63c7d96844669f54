import numpy as np
import pytest
import torch
from image_world import GAIN, OCULAR, REST, loss_of, weights

from d2a_core.animation import poses
from d2a_core.faces.schemes import WFLW98

LOSS = loss_of(weights(landmarks=1.0))


def aside(*ways):
    """Faces [T, P, 2] that have gone so far to the right, in units of w."""
    return torch.stack([REST + GAIN * torch.tensor([way, 0.0]) for way in ways])


def chosen(*ways, most=10):
    return poses.of_clip(LOSS, aside(*ways), most)


def test_the_extremes_of_a_clip_are_its_first_poses():
    assert chosen(0.0, 1.0, 3.0, 9.0, 4.0, 0.5, most=2).rows.tolist() == [3, 0]
    assert chosen(0.0, 1.0, 3.0, 9.0, 4.0, 0.5, most=3).rows.tolist() == [3, 0, 4]


def test_frames_that_are_alike_make_one_pose():
    still = chosen(2.0, 2.0, 2.0)
    assert len(still.rows) == 1 and still.shares.tolist() == [[1.0]] * 3
    assert sorted(chosen(0.0, 5.0, 0.0, 5.0).rows.tolist()) == [0, 1]


def test_a_frame_that_is_like_a_pose_is_that_pose_and_one_between_is_both():
    found = chosen(0.0, 10.0, 0.0, 5.0, most=2)
    of_second = found.shares[:, found.rows.tolist().index(1)]
    assert found.shares.sum(dim=1).numpy() == pytest.approx(1.0)
    # at the distance of both poses the weight is exp(-1 / (2 · 0.6²)) = 0.249 of that at none
    assert of_second.numpy() == pytest.approx([0.2, 0.8, 0.2, 0.5], abs=0.01)


def test_values_of_poses_are_spread_over_the_clip():
    found = poses.Poses(torch.tensor([2, 0]), torch.tensor([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]))
    spread = found.spread(torch.tensor([[[4.0, 0.0]], [[0.0, 2.0]]]))
    assert spread.tolist() == [[[0.0, 2.0]], [[2.0, 1.0]], [[4.0, 0.0]]]


def test_a_blink_is_farther_from_rest_than_a_whole_face_that_goes_as_far_as_the_lids():
    shut = REST.clone()
    for upper, lower in WFLW98.lids:
        shut[upper] = shut[lower]
    gap = np.mean([(REST[lower] - REST[upper]).norm() for upper, lower in WFLW98.lids]) / OCULAR
    rest, blink, turn = poses.described(
        LOSS, torch.stack((REST, shut, REST + gap * OCULAR * torch.tensor([1.0, 0.0])))
    )
    # each gap is a number of its own, while the lids are 12 of 98 points
    assert (blink - rest).norm() > 2**0.5 * gap
    assert (turn - rest).norm() == pytest.approx(gap, rel=1e-3)
