import pytest
import torch

from d2a_core.generator import latent_prior


class Stretched:
    """w = z · scale, so that the deviations are known."""

    z_dim = 3

    def map(self, z):
        return z * torch.tensor([4.0, 1.0, 1e-6]) + 5


def test_sampled_codes_are_standard_normal_in_whitened_coordinates():
    generator = Stretched()
    prior = latent_prior.fit(generator)
    rng = torch.Generator().manual_seed(1)
    coordinates = prior.encode(generator.map(torch.randn(5000, 3, generator=rng)))
    assert coordinates.mean(dim=0).abs().max() < 0.05
    assert coordinates.std(dim=0)[1:].tolist() == pytest.approx([1, 1], abs=0.05)  # ascending deviations


def test_directions_without_spread_are_not_stretched():
    prior = latent_prior.fit(Stretched())
    assert prior.deviation[0] == pytest.approx(0.05 * prior.deviation[2])


def test_decode_is_the_inverse_of_encode():
    prior = latent_prior.fit(Stretched())
    w = torch.randn(2, 7, 3)
    assert torch.allclose(prior.decode(prior.encode(w)), w, atol=1e-4)
