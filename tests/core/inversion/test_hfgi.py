import logging

import pytest
import torch
from smooth_images import smooth

from d2a_core import training
from d2a_core.generator import drafts, generator
from d2a_core.inversion import consultant, hfgi, image_losses

LOG = logging.getLogger("test")
OPTIONS = hfgi.Options(
    faces=4, epochs=2, learning_rate=1e-3, yaw_limit_deg=20.0, validation_share=0.25, seed=0
)


def test_equal_moves_of_all_corners_are_a_shift():
    maps = smooth(1, 32)
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
    maps = smooth(6, 32)
    assert torch.allclose(hfgi.distort(maps, distortion=0.5, share=0.0), maps, atol=1e-5)
    torch.manual_seed(0)
    moved = (hfgi.distort(maps, distortion=0.5, share=1.0) - maps).abs().mean(dim=(1, 2, 3))
    assert (moved > 0.01).all()


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
