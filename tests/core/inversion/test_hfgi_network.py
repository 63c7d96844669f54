import torch
from smooth_images import smooth

from d2a_core.inversion.hfgi_network import Alignment, Architecture, Consultation, Hfgi


def test_untrained_networks_leave_map_and_generator_alone():
    networks = Hfgi(Architecture(width=4, rank=8, channels=512))
    distortion, face = smooth(2, 256), smooth(2, 256, seed=1)
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
        true = smooth(8, 32, seed=index)
        value = (network(true.roll(2, dims=-1), true) - true).abs().mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    true, face = smooth(16, 32, seed=1000), smooth(16, 32, seed=1000)
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
    distortion = smooth(1, 256)
    with torch.no_grad():
        scale, shift = consultation(distortion)
    colours = torch.nn.functional.pixel_unshuffle(distortion, 4)
    read = torch.nn.functional.conv2d(colours, response, padding=1)
    assert torch.allclose(shift, torch.einsum("kr,nrij->nkij", basis, read), atol=1e-2)
    assert not scale.any()
