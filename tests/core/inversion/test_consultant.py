import numpy as np
import pytest
import torch
from random_generators import random_generator
from smooth_images import smooth

from d2a_core.generator import drafts
from d2a_core.generator.generator import broadcast
from d2a_core.inversion import consultant
from d2a_core.inversion.hfgi_network import Architecture, Hfgi


@pytest.mark.parametrize(("yaw", "kept"), [(0, 1), (10, 1), (-15, 0.5), (20, 0), (-45, 0)])
def test_consultation_fades_from_half_the_yaw_limit(yaw, kept):
    assert consultant.fade(torch.tensor([float(yaw)]), limit_deg=20).item() == pytest.approx(kept)


@pytest.fixture
def network(load_generator):
    made = load_generator(threads=2)
    made.draft = drafts.fit(made, size=min(256, made.resolution), renders=2)
    return made


@pytest.fixture
def networks(network):
    """Networks that read a shift off the colours."""
    rng = torch.Generator().manual_seed(0)
    channels, _, _ = network.synthesis.consulted_shape
    made = Hfgi(Architecture(width=4, rank=8, channels=channels))
    made.consultation.start_from(
        torch.randn(8, 48, 3, 3, generator=rng), torch.randn(channels, 8, generator=rng)
    )
    return made.requires_grad_(False)


def test_a_frame_beyond_the_yaw_limit_is_rendered_from_its_code_alone(network, networks):
    image = smooth(1, network.draft.size).clamp(-1, 1)
    wplus = broadcast(network.mean_w[None], network.num_layers)
    near, far = torch.tensor([5.0, 25.0])
    scale, shift = consultant.consult_frame(
        network,
        networks,
        image,
        wplus,
        wplus.expand(2, -1, -1),
        yaw_deg=torch.stack((near, far)),
        yaw_limit_deg=20,
    )
    still = consultant.consult(network, networks, image, wplus)
    assert not scale[1].any() and not shift[1].any()
    assert torch.allclose(shift[:1], still[1], rtol=1e-4, atol=1e-3) and still[1].abs().max() > 0.1


def test_a_generator_without_its_draft_is_one_sentence():
    made, photo = random_generator(64), np.zeros((64, 64, 3), np.uint8)
    code = np.zeros((1, made.num_layers, made.w_dim), np.float32)
    with pytest.raises(ValueError, match="without its draft; give the store that `fit_draft` wrote"):
        consultant.consultant(made, [], photo, code, yaw_limit_deg=20)
