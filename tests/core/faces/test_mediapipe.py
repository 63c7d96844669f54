import numpy as np
import pytest
import torch

from d2a_core.faces import mediapipe


def test_a_crop_and_its_inverse_meet():

    image = torch.zeros(1, 3, 100, 120)
    image[:, :, 40, 70] = 1
    region = torch.tensor([[66.0, 44.0, 30.0, 0.3]])
    cut = mediapipe.crop(image, region, 60)[0, :, :, 0]
    row, column = np.unravel_index(int(cut.argmax()), cut.shape)
    local = torch.tensor([[[column + 0.5, row + 0.5, 0.0]]])
    assert mediapipe.back_to_image(local, region, 60)[0, 0, :2].tolist() == pytest.approx(
        [70.5, 40.5], abs=0.6
    )


def test_anchors_are_the_896_cells_of_the_detector():
    anchors = mediapipe.anchors()
    assert anchors.shape == (896, 2)
    assert anchors[0].tolist() == [8 / 256, 8 / 256] and anchors[-1].tolist() == [
        240 / 256,
        240 / 256,
    ]
