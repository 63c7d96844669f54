"""FaceMesh on PyTorch: the points of `detect`, with gradients to the images."""

import numpy as np
import pytest
import torch
from PIL import Image

from d2a_core.faces import detectors, facemesh, mediapipe
from d2a_core.faces.geometry import normalized_mean_error
from d2a_core.faces.landmarks import Options
from d2a_core.faces.schemes import WFLW98
from d2a_core.generator import generator
from d2a_core.generator.rendering import render, to_float

EYES = list(WFLW98.parts["eyes"])
REST = sorted(set(range(WFLW98.size)) - set(EYES))
# Left, top and side of squares of the portrait: her face as on aligned images, and from far.
VIEWS = ((130, 8, 195), (140, 0, 190), (110, 0, 230), (132, 12, 180), (150, 20, 160), (0, 0, 512))

STEP = (
    1e-8  # of finite differences in double precision; a larger one takes units of a network past their kinks
)


@pytest.fixture(scope="module")
def views(portrait):
    """Photographs u1 [6, 256, 256, 3] of one face; on the last it is small."""
    photo = Image.fromarray(portrait)
    parts = [photo.crop((left, top, left + side, top + side)) for left, top, side in VIEWS]
    return np.stack([np.asarray(part.resize((256, 256), Image.Resampling.LANCZOS)) for part in parts])


@pytest.fixture(scope="module")
def precise(assets):
    """A detector whose networks with gradients are in double precision."""
    detector = _aligned(assets)
    for network in (detector.models._mesh, detector.models._iris):
        network._module.double()
    return detector


def _aligned(assets, *, device="cpu"):
    options = Options(detector="facemesh", min_score=0.5, box="ffhq", weights=None)
    return detectors.load_detector(options, assets / "mediapipe-face", device=device, threads=1)


def _learning(images):
    """Images u1 as what a network has drawn: float in [-1, 1], with gradients."""
    return to_float(images).requires_grad_()


def _error(points, expected):
    """Largest distance of a point from where it should be, in inter-ocular distances."""
    points, expected = (torch.as_tensor(value).detach() for value in (points, expected))
    size = (expected[:, 60] - expected[:, 72]).norm(dim=-1)
    return ((points - expected).norm(dim=-1) / size[:, None]).max().item()


def _sampled_faces(mobile, count):
    """Drafts u1 [N, 256, 256, 3] of faces: renders, averaged down."""
    network = mobile(threads=1)
    w = network.map(torch.randn(count, 512, generator=torch.Generator().manual_seed(0)))
    wplus = generator.broadcast(w, network.num_layers)
    images = np.concatenate([render(network, row) for row in wplus.split(1)])
    return images.reshape(count, 256, 4, 256, 4, 3).mean(axis=(2, 4)).round().astype(np.uint8)


@pytest.mark.slow
def test_both_engines_see_the_same_points_on_sampled_faces(assets, mobile):
    images = _sampled_faces(mobile, 50)
    detector = _aligned(assets)
    seen = detector.detect(images)
    drawn = _learning(images)
    points = detector.points(drawn, detector.regions(drawn))
    assert points.requires_grad and seen.found.all()
    assert _error(points, seen.points) < 5e-4


def test_both_engines_see_the_same_points_on_photographs(detector, views):
    seen = detector.detect(views)
    drawn = _learning(views)
    points = detector.points(drawn, detector.regions(drawn))
    assert points.requires_grad and seen.found.all()
    assert _error(points, seen.points) < 5e-4


def test_without_gradients_points_are_those_of_detect(detector, views):
    images = to_float(views)
    points = detector.points(images, detector.regions(images))
    assert not points.requires_grad
    assert _error(points, detector.detect(views).points) < 1e-5


def test_pictures_are_seen_as_they_are_stored_within_their_range(assets, views):
    detector = _aligned(assets)
    bright = to_float(views[:2]) * 1.5  # a network may draw beyond white, a file cannot hold it
    regions = detector.regions(bright)
    assert torch.equal(detector.points(bright, regions), detector.points(bright.clamp(-1, 1), regions))


def test_another_device_detects_the_same_with_pytorch_alone(assets, views, monkeypatch):
    expected = _aligned(assets).detect(views[:3])
    monkeypatch.setattr(mediapipe, "compiled", lambda path, *, threads: None)
    seen = _aligned(assets, device="cpu:0").detect(views[:3])  # a name that has no OpenVINO, as cuda's
    assert _error(seen.points, expected.points) < 5e-4
    assert seen.score == pytest.approx(expected.score, abs=1e-4)


@pytest.mark.parametrize("gradients", [False, True])
def test_a_batch_gives_what_single_images_give(detector, views, gradients):
    large = np.stack([np.asarray(Image.fromarray(view).resize((512, 512))) for view in views[[0, 2, 5]]])
    images = to_float(large).requires_grad_(gradients)
    regions = detector.regions(images)
    assert len({int(side // mediapipe.MESH_SIDE) for side in regions[:, 2]}) > 1  # some are averaged down
    points = detector.points(images, regions)
    single = torch.cat(
        [detector.points(*pair) for pair in zip(images.split(1), regions.split(1), strict=True)]
    )
    rows = torch.cat([detector.regions(image) for image in images.split(1)])
    torch.testing.assert_close(rows, regions, atol=2e-3, rtol=0)
    assert _error(points, single) < 1e-5


def test_the_mean_of_the_single_looks_is_the_whole_one_but_for_the_eyes(detector, views):
    images = to_float(views)
    regions = detector.regions(images)
    whole, straight, mirrored = (
        detector.points(images, regions, look=look) for look in ("both", "straight", "mirrored")
    )
    assert _error((straight + mirrored) / 2, whole) < 0.03
    torch.testing.assert_close(((straight + mirrored) / 2)[:, REST], whole[:, REST])
    torch.testing.assert_close(straight[:, EYES], whole[:, EYES])
    assert (
        normalized_mean_error(straight.numpy(), mirrored.numpy()) > 0.005
    ).all()  # what the mean takes away


def test_the_mirrored_look_is_the_straight_look_at_the_mirror_image(detector, views):
    images = to_float(views)
    regions = detector.regions(images)
    mirrored = detector.points(images, regions, look="mirrored")
    other_way = (regions * torch.tensor([-1, 1, 1, -1])) + torch.tensor([256, 0, 0, 0])
    points = detector.points(images.flip(3), other_way, look="straight")[:, WFLW98.mirror]
    assert _error(points * torch.tensor([-1, 1]) + torch.tensor([1, 0]), mirrored) < 1e-4


def _slopes(loss, images):
    """Slope of a loss of the images along a random direction: by its gradient, and by a difference."""
    rng = torch.Generator().manual_seed(1)
    direction = torch.randn(images.shape, generator=rng, dtype=images.dtype)
    (gradient,) = torch.autograd.grad(loss(images), images)
    ahead, behind = (loss(images + step * direction).item() for step in (STEP, -STEP))
    return (gradient * direction).sum().item(), (ahead - behind) / (2 * STEP)


@pytest.mark.parametrize("look", ["both", "straight", "mirrored"])
def test_gradients_are_those_of_finite_differences(precise, views, look):
    images = (0.9 * to_float(views[:2]).double()).requires_grad_()  # no pixel is at an end of its range
    regions = precise.regions(images)
    weight = torch.randn(2, len(REST), 2, generator=torch.Generator().manual_seed(0))

    def loss(images):  # without the eyes: the places where they are looked for move and count as constants
        return (precise.points(images, regions, look=look)[:, REST] * weight).sum()

    slope, difference = _slopes(loss, images)
    assert abs(slope) > 1e-4 and slope == pytest.approx(difference, rel=1e-3)


def test_gradients_of_the_eyes_are_those_of_finite_differences(precise, views):
    images = (0.9 * to_float(views[:2]).double()).requires_grad_()
    region = images.new_tensor([facemesh.FFHQ_REGION]).repeat(2, 1) * 256
    mesh, _ = precise.models.mesh(mediapipe.crop(images, region, mediapipe.MESH_SIDE), region)
    rng = torch.Generator().manual_seed(0)
    weights = torch.randn(2, 2, 2, generator=rng), torch.randn(2, 2, 16, 2, generator=rng)

    def loss(images):
        seen = precise.models.irises(images, mesh.detach())
        return sum((part * weight).sum() for part, weight in zip(seen, weights, strict=True))

    slope, difference = _slopes(loss, images)
    assert abs(slope) > 1e-2 and slope == pytest.approx(difference, rel=1e-3)


def test_gradients_of_the_procedure_are_those_of_finite_differences():
    rng = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.rand(shape, generator=rng, dtype=torch.double).requires_grad_()

    regions = torch.tensor([[5.0, 4.0, 6.0, 0.2], [4.0, 5.0, 20.0, -0.4]], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda images: mediapipe.crop(images, regions, 6), drawn(2, 3, 9, 8))
    assert torch.autograd.gradcheck(
        lambda points: mediapipe.back_to_image(points, regions, 6), drawn(2, 4, 3)
    )
    assert torch.autograd.gradcheck(lambda lines: facemesh.resample(lines, 5), drawn(2, 4, 3))


@pytest.mark.parametrize("look", ["both", "straight", "mirrored"])
def test_images_without_a_face_have_finite_points_and_gradients(assets, look):
    detector = _aligned(assets)
    noise = torch.rand(1, 3, 96, 160, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = torch.cat((noise, torch.zeros_like(noise), torch.full_like(noise, -1))).requires_grad_()
    regions = detector.regions(images)
    assert regions.isfinite().all() and (regions[:, 2] >= 8).all()
    points = detector.points(images, regions, look=look)
    (gradient,) = torch.autograd.grad(points.sum(), images)
    assert points.isfinite().all() and gradient.isfinite().all()


def test_networks_with_gradients_are_made_when_they_are_needed(assets, views, monkeypatch):
    loaded = []
    load = mediapipe.tflite_network.load
    monkeypatch.setattr(mediapipe.tflite_network, "load", lambda path: loaded.append(path.stem) or load(path))
    detector = _aligned(assets)
    detector.detect(views[:1])
    assert not loaded
    drawn = _learning(views[:1])
    detector.points(drawn, detector.regions(drawn))
    assert sorted(loaded) == ["face_landmark", "iris_landmark"]


def test_the_detector_that_has_gradients_is_told_from_others(detector):
    assert detectors.differentiable(detector) is detector
