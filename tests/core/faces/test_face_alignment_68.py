"""The 68 points of the package `face-alignment`, on a network whose answer is known."""

import numpy as np
import pytest
import torch

from d2a_core.faces import detectors, landmarks
from d2a_core.faces.face_alignment_68 import with_depth
from d2a_core.faces.geometry import head_pose, rotation_matrix
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import IBUG68


@pytest.fixture
def heatmap_network(tmp_path):
    """TorchScript of 2DFAN's signature: [N, 3, 256, 256] → [N, 68, 64, 64], peaks at known cells."""

    class Peaks(torch.nn.Module):
        def __init__(self):
            super().__init__()
            maps = torch.zeros(1, 68, 64, 64)
            for index in range(68):
                maps[0, index, 10 + index // 10 * 4, 8 + index % 10 * 4] = 1
            self.register_buffer("maps", maps)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.maps.repeat(images.shape[0], 1, 1, 1)

    path = tmp_path / "2dfan.pt"
    torch.jit.script(Peaks()).save(str(path))
    return path


def test_face_alignment_points_lie_where_its_heatmaps_peak(heatmap_network, tmp_path):
    options = landmarks.Options("face-alignment", 0.5, "ffhq", str(heatmap_network))
    detector = detectors.load_detector(options, tmp_path, device="cpu", threads=1)
    seen = detector.detect(np.zeros((2, 256, 256, 3), np.uint8))
    assert detector.scheme is IBUG68 and seen.points.shape == (2, 68, 2) and seen.found.all()
    steps = np.diff(seen.points[0, :10], axis=0)
    pixel = 1 / 256  # the package rounds to whole pixels
    assert steps[:, 0] == pytest.approx(steps[:, 0].mean(), abs=1.01 * pixel)  # a row of peaks
    assert steps[:, 0].mean() > 10 * pixel
    assert steps[:, 1] == pytest.approx(0, abs=1e-6)
    down = seen.points[0, 10] - seen.points[0, 0]
    assert down == pytest.approx(
        [0, steps[:, 0].mean()], abs=1.01 * pixel
    )  # four cells down as four cells right
    assert np.isfinite(seen.angles).all() and seen.canonical.shape == (2, 68, 2)


def test_the_68_points_have_no_gradients_and_the_sentence_says_what_has(heatmap_network, tmp_path):
    options = landmarks.Options("face-alignment", 0.5, "ffhq", str(heatmap_network))
    detector = detectors.load_detector(options, tmp_path, device="cpu", threads=1)
    with pytest.raises(
        ValueError, match="is 'face-alignment', which has no gradients; image space needs 'facemesh'"
    ):
        detectors.differentiable(detector)


def test_68_point_pose_is_that_of_the_turned_mean_face():

    template = template_of(IBUG68)
    for angles in [(20, 0, 0), (0, -15, 0), (-15, 10, 5)]:
        turned = (90 * template @ rotation_matrix(*angles).T)[None] + 100
        found, canonical = head_pose(with_depth(turned[..., :2]), template, IBUG68.rigid)
        assert found[0] == pytest.approx(angles, abs=0.1)
        assert canonical[0] == pytest.approx(template[:, :2], abs=2e-3)


def test_missing_68_point_weights_name_the_file_and_its_place(tmp_path, monkeypatch):
    from face_alignment import api

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    closed = dict.fromkeys(api.models_urls, "http://127.0.0.1:9/2DFAN4-11f355bf06.pth.tar")
    monkeypatch.setattr(api, "models_urls", closed)
    options = landmarks.Options("face-alignment", 0.5, "ffhq", None)
    with pytest.raises(ValueError, match=r"put the file 2DFAN4-11f355bf06.pth.tar at .*checkpoints"):
        detectors.load_detector(options, tmp_path, device="cpu", threads=1)


@pytest.mark.parametrize("content", [None, b"no torchscript"])
def test_bad_68_point_weights_are_one_sentence(tmp_path, content):
    path = tmp_path / "weights.pt"
    if content:
        path.write_bytes(content)
    options = landmarks.Options("face-alignment", 0.5, "ffhq", str(path))
    with pytest.raises(ValueError, match="weights.pt"):
        detectors.load_detector(options, tmp_path, device="cpu", threads=1)
