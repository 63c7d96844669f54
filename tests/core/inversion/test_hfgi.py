import logging

import numpy as np
import pytest
import torch

from d2a_core import training
from d2a_core.generator import drafts, generator
from d2a_core.inversion import consultant, hfgi, image_losses
from d2a_core.inversion.hfgi_network import Alignment, Architecture, Consultation, Hfgi

LOG = logging.getLogger("test")
OPTIONS = hfgi.Options(
    faces=4, epochs=2, learning_rate=1e-3, yaw_limit_deg=20.0, validation_share=0.25, seed=0
)


def _smooth(count, side, seed=0):
    rng = torch.Generator().manual_seed(seed)
    small = torch.randn(count, 3, side // 8, side // 8, generator=rng)
    return torch.nn.functional.interpolate(small, size=side, mode="bilinear")


def test_equal_moves_of_all_corners_are_a_shift():
    maps = _smooth(1, 32)
    moves = torch.tensor([2 * 3 / 32, 0.0]).expand(1, 4, 2)  # 3 px of 32, in half sides
    warped = hfgi.perspective(maps, moves)
    assert torch.allclose(warped[..., :-3], maps[..., 3:], atol=1e-4)
    assert torch.allclose(hfgi.perspective(maps, torch.zeros(1, 4, 2)), maps, atol=1e-5)


def test_a_corner_shows_what_lies_at_its_move():
    row = torch.linspace(-1, 1, 65)
    maps = torch.stack((row.expand(65, 65), row[:, None].expand(65, 65)))[None]  # x and y of each pixel
    moves = torch.tensor([[[0.1, 0.2], [-0.3, 0.0], [0.0, -0.1], [-0.2, -0.2]]])
    warped = hfgi.perspective(maps, moves)[0]
    corners = warped[:, [0, 0, -1, -1], [0, -1, 0, -1]].T
    expected = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1]]) + moves[0]
    assert corners.numpy() == pytest.approx(expected.numpy(), abs=0.03)  # a pixel's middle, not its corner


def test_distort_leaves_the_unchosen_alone_and_moves_content_outwards():
    maps = _smooth(6, 32)
    assert torch.allclose(hfgi.distort(maps, distortion=0.5, share=0.0), maps, atol=1e-5)
    torch.manual_seed(0)
    moved = (hfgi.distort(maps, distortion=0.5, share=1.0) - maps).abs().mean(dim=(1, 2, 3))
    assert (moved > 0.01).all()


def test_ssim_is_one_for_the_same_and_falls_with_noise():
    images = _smooth(1, 64).clamp(-1, 1)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    values = [image_losses.structural_similarity(images, images + s * noise).item() for s in (0, 0.05, 0.3)]
    assert values[0] == pytest.approx(1, abs=1e-5) and values[0] > values[1] > values[2]
    assert image_losses.structural_similarity(images, -images) < values[2]


def test_ssim_of_two_flat_images_is_the_formula():
    a, b = torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), -0.25)
    expected = (2 * 0.75 * 0.375 + 0.0001) / (0.75**2 + 0.375**2 + 0.0001)
    assert image_losses.structural_similarity(a, b).item() == pytest.approx(expected, rel=1e-4)


def test_untrained_networks_leave_map_and_generator_alone():
    networks = Hfgi(Architecture(width=4, rank=8, channels=512))
    distortion, face = _smooth(2, 256), _smooth(2, 256, seed=1)
    with torch.no_grad():
        assert torch.equal(networks.alignment(distortion, face), distortion)
        scale, shift = networks(distortion, face)
    assert scale.shape == shift.shape == (2, 512, 64, 64)
    assert not scale.any() and not shift.any()


def test_alignment_learns_to_undo_a_known_shift():
    torch.manual_seed(0)
    network = Alignment(8)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for index in range(120):
        true = _smooth(8, 32, seed=index)
        value = (network(true.roll(2, dims=-1), true) - true).abs().mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    true, face = _smooth(16, 32, seed=1000), _smooth(16, 32, seed=1000)
    shifted = true.roll(2, dims=-1)
    with torch.no_grad():
        error = (network(shifted, face) - true).abs().mean()
    assert error < 0.35 * (shifted - true).abs().mean()


def test_the_shift_starts_as_the_linear_map_it_is_given():
    rng = torch.Generator().manual_seed(0)
    consultation = Consultation(rank=8, channels=512)
    response, basis = (
        torch.randn(5, 48, 3, 3, generator=rng),
        torch.randn(512, 5, generator=rng),
    )
    consultation.start_from(response, basis)
    distortion = _smooth(1, 256)
    with torch.no_grad():
        scale, shift = consultation(distortion)
    colours = torch.nn.functional.pixel_unshuffle(distortion, 4)
    read = torch.nn.functional.conv2d(colours, response, padding=1)
    assert torch.allclose(shift, torch.einsum("kr,nrij->nkij", basis, read), atol=1e-2)
    assert not scale.any()


@pytest.mark.parametrize(("yaw", "kept"), [(0, 1), (10, 1), (-15, 0.5), (20, 0), (-45, 0)])
def test_consultation_fades_from_half_the_yaw_limit(yaw, kept):
    assert consultant.fade(torch.tensor([float(yaw)]), limit_deg=20).item() == pytest.approx(kept)


class Killed(Exception):
    """Stands for a job that is stopped from outside."""


@pytest.fixture(scope="module")
def network(load_generator):
    torch.set_num_threads(2)
    made = load_generator(threads=2)
    made.draft = drafts.fit(made, size=min(256, made.resolution), renders=8)
    return made


@pytest.fixture(scope="module")
def faces(network):
    """Three faces whose codes are half way to the mean, so that a part of each is missing."""
    w = network.map(torch.randn(3, network.z_dim, generator=torch.Generator().manual_seed(2)))
    layers, size = network.num_layers, network.draft.size
    wplus = generator.broadcast(network.mean_w.lerp(w, 0.5), layers)
    with torch.no_grad():
        image, base = (
            hfgi.to_uint8(network.synthesize(code, size)) for code in (generator.broadcast(w, layers), wplus)
        )
    return hfgi.Faces(image, base, w, wplus.clone())


@pytest.fixture(scope="module")
def trained(network, faces):
    return _train(network, faces)


def _train(network, faces, **arguments):
    run = hfgi.start(network, faces, OPTIONS)
    return training.run(run, hfgi.task(run.network, network, faces, OPTIONS), OPTIONS, log=LOG, **arguments)


def test_a_killed_and_resumed_run_ends_with_the_same_weights(network, faces, trained):
    states = []

    def save(state):
        states.append({**state, "network": {k: v.clone() for k, v in state["network"].items()}})
        raise Killed

    with pytest.raises(Killed):
        _train(network, faces, save=save)
    resumed = _train(network, faces, resume=states[0])
    assert resumed.history == trained.history
    for name, value in trained.best.items():
        assert torch.equal(value, resumed.best[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("load_generator", ["mobile"], indirect=True)  # random weights draw nothing smooth
def test_consulting_brings_a_face_back_that_the_fit_has_not_seen(network, faces, trained):
    row = trained.history[0]
    assert row["psnr_db"] > row["psnr_before_db"] + 3
    networks = consultant.load(training.checkpoint(trained, {}), device="cpu")
    image = hfgi.to_float(faces.image)
    consultation = consultant.consult(network, networks, image, faces.wplus)
    with torch.no_grad():
        plain = network.synthesize(faces.wplus, network.draft.size)
        consulted = network.synthesize(faces.wplus, network.draft.size, consultation=consultation)
    assert image_losses.psnr(consulted, image) > image_losses.psnr(plain, image) + 3


def test_a_frame_beyond_the_yaw_limit_is_rendered_from_its_code_alone(network, faces, trained):
    networks = consultant.load(training.checkpoint(trained, {}), device="cpu")
    image, wplus = hfgi.to_float(faces.image[:1]), faces.wplus[:1]
    moved = wplus.expand(2, -1, -1)
    near, far = torch.tensor([5.0, 25.0])
    scale, shift = consultant.consult_frame(
        network, networks, image, wplus, moved, yaw_deg=torch.stack((near, far)), yaw_limit_deg=20
    )
    still = consultant.consult(network, networks, image, wplus)
    assert not scale[1].any() and not shift[1].any()
    assert torch.allclose(shift[:1], still[1], atol=1e-3) and np.abs(still[1].numpy()).max() > 0.1
