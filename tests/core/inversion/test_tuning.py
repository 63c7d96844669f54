import pytest
import torch

from d2a_core.generator import drafts
from d2a_core.generator.rendering import render
from d2a_core.inversion import sources, tuning


@pytest.fixture(scope="module")
def network(load_faces):
    torch.set_num_threads(1)
    found = load_faces(threads=1)
    found.draft = drafts.fit(found, size=min(256, found.resolution), renders=4)
    return found


@pytest.fixture(scope="module")
def pivot(network):
    return sources.code(network, seed=3, truncation=0.7)


def _weights(network):
    return {name: value.clone() for name, value in network.synthesis.state_dict().items()}


def _darker(image):
    """A likeness that only asks for less light."""
    return {"pixel": image.mean() + 1}


def test_tuning_improves_the_face_and_leaves_the_generator_as_it_was(network, pivot):
    before, image = _weights(network), render(network, pivot)
    options = {"steps": 2, "learning_rate": 1e-3, "locality_weight": 1.0}
    delta = tuning.tune(network, pivot, _darker, **options)
    assert all(torch.equal(value, before[name]) for name, value in _weights(network).items())
    assert not any(parameter.requires_grad for parameter in network.synthesis.parameters())
    assert set(delta) == set(network.synthesis.tunable) and not any("style" in name for name in delta)
    with tuning.applied(network, delta):
        tuned = render(network, pivot)  # the compiled network notices
    assert tuned.mean() < image.mean() - 1
    assert all(torch.equal(value, before[name]) for name, value in _weights(network).items())
    assert (render(network, pivot) == image).all()


def test_no_difference_gives_the_same_bytes(network, pivot):
    image, (name, *_) = render(network, pivot, network.draft.size), network.synthesis.tunable
    for delta in ({}, {name: torch.zeros_like(network.synthesis.get_parameter(name))}):
        with tuning.applied(network, delta):
            assert (render(network, pivot, network.draft.size) == image).all()


def test_a_difference_of_another_network_is_refused(network):
    for name in ("blocks.99.conv1.bias", network.synthesis.tunable[0]):
        with pytest.raises(ValueError, match="invert the photo again"):
            tuning.apply_delta(network, {name: torch.zeros(1, 2, 3)})
