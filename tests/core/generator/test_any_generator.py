"""The contract of a generator, on StyleGAN2s of several sizes and kinds with random weights."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from random_generators import random_generator, random_network
from torch.nn import functional

from d2a_core.fan import closed_loop
from d2a_core.generator import checkpoint, drafts, foreign_checkpoints, generator
from d2a_core.generator.generator import broadcast
from d2a_core.inversion import hfgi, tuning
from d2a_core.store import arrays, assets, provenance, texts, weights
from d2a_core.store.assets import Asset
from d2a_core.store.lineage import Identity

LOG = logging.getLogger("test")
OPTIONS = generator.Options(draft_size=32)
LANDMARKS = {"detector": "facemesh", "min_score": 0.5, "box": "ffhq", "weights": None}
HARDWARE = {"device": "cpu", "threads": 1, "runtime": "torch"}


def _codes(network, count, seed=1):
    return torch.randn(
        count, network.num_layers, network.w_dim, generator=torch.Generator().manual_seed(seed)
    )


def _consultation(network, count, size=0.3):
    rng = torch.Generator().manual_seed(2)
    shape = (count, *network.synthesis.consulted_shape)
    return tuple(size * torch.randn(shape, generator=rng) for _ in range(2))


@pytest.mark.parametrize(("resolution", "layers"), [(32, 8), (64, 10), (256, 14)])
def test_size_and_layers_are_those_of_the_checkpoint(resolution, layers):
    network = random_generator(resolution)
    assert (network.resolution, network.num_layers, network.w_dim, network.z_dim) == (
        resolution, layers, 16, 24
    )  # fmt: skip
    assert network.map(torch.randn(3, 24)).shape == (3, 16)
    assert torch.equal(network.mean_w, network.mapping.w_avg)
    with torch.no_grad():
        assert network.synthesize(_codes(network, 2)).shape == (2, 3, resolution, resolution)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_a_skip_network_draws_its_drafts_without_a_fit(size):
    network = random_generator(128)
    assert drafts.fit(network, size=size, renders=4) == drafts.Draft(size)
    wplus = _codes(network, 1)
    with torch.no_grad():
        draft = network.synthesize(wplus, size)
        for block in (network.synthesis.b128,) if size < 128 else ():
            block.conv1.weight.mul_(2)  # above the draft: not looked at
        assert torch.equal(draft, network.synthesize(wplus, size))
    assert draft.shape == (1, 3, size, size)


@pytest.mark.parametrize("kind", ["resnet", "orig"])
def test_other_networks_get_a_readout(kind):
    network = random_generator(64, synthesis=kind)
    network.draft = drafts.fit(network, size=32, renders=4)
    assert network.draft.weight.shape == (12, 16, 1, 1)
    with torch.no_grad():
        assert network.synthesize(_codes(network, 2), 32).shape == (2, 3, 32, 32)
    with pytest.raises(ValueError, match=r"no 16 px images from this generator; it gives \[32, 64\]"):
        network.synthesize(_codes(network, 1), 16)


@pytest.mark.parametrize(("resolution", "size"), [(64, 64), (64, 32), (256, 64)])
def test_compiled_and_pytorch_agree_with_and_without_a_consultation(resolution, size):
    compiled, pytorch = (random_generator(resolution, runtime=word) for word in ("openvino", "torch"))
    wplus = _codes(pytorch, 3)
    refined = [None] + ([_consultation(pytorch, 3)] if size >= 64 else [])
    with torch.no_grad():
        for consultation in refined:
            first, second = (
                network.synthesize(wplus, size, consultation=consultation) for network in (compiled, pytorch)
            )
            assert (first - second).abs().max() <= 1e-4 * max(1, second.abs().max())


def test_threads_that_share_a_compiled_network_get_the_images_of_one_thread():
    network = random_generator(64, runtime="openvino")
    rows = _codes(network, 200).split(1)

    def draw(row):
        with torch.no_grad():
            return network.synthesize(row, 32)

    expected = torch.cat(list(map(draw, rows)))
    with ThreadPoolExecutor(4) as pool:
        assert torch.equal(torch.cat(list(pool.map(draw, rows))), expected)


def test_a_consultation_refines_the_64_px_map_that_layer_7_styles():
    network, wplus = random_generator(128), _codes(random_generator(128), 1)
    scale, shift = _consultation(network, 1)
    synthesis = network.synthesis
    with torch.no_grad():
        found = synthesis.consulted(wplus)
        assert torch.equal(found, synthesis.b64.conv0(synthesis.hidden(wplus, 3), wplus[:, 7]))
        refined = synthesis.b64.conv1(found * (1 + scale) + shift, wplus[:, 8])
        assert torch.allclose(synthesis.hidden(wplus, 4, (scale, shift)), refined, atol=1e-4)
        assert torch.equal(synthesis.hidden(wplus, 3, (scale, shift)), synthesis.hidden(wplus, 3))
        nothing = tuple(torch.zeros_like(part) for part in (scale, shift))
        assert torch.equal(synthesis(wplus, 64, nothing), synthesis(wplus, 64))


def test_a_generator_of_32_px_is_not_consulted():
    network = random_generator(32, draft=drafts.Draft(32))
    with pytest.raises(ValueError, match="hfgi refines a map of 64 px, which a generator of 32 px has not"):
        hfgi.faces(network, None, None, count=1, seed=0)
    with pytest.raises(ValueError, match="no 64 px map to consult"):
        network.synthesize(_codes(network, 1), consultation=(torch.zeros(1), torch.zeros(1)))


@pytest.mark.parametrize(("resolution", "sides"), [(32, [32]), (64, [64]), (256, [64, 128, 256])])
def test_tuning_may_change_late_convolutions_and_no_styles(resolution, sides):
    names = random_generator(resolution).synthesis.tunable
    parts = {"conv0.weight", "conv0.bias", "conv1.weight", "conv1.bias", "torgb.weight", "torgb.bias"}
    assert set(names) == {f"b{side}.{part}" for side in sides for part in parts}


@pytest.mark.parametrize("size", [32, 64])
def test_tuning_brings_the_image_nearer_whatever_the_draft(size):
    network = random_generator(64, draft=drafts.Draft(size))
    wplus, before = _codes(network, 1), network.synthesis.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    target = network.synthesize(_codes(network, 1, seed=9))

    def likeness(image):
        return {"pixel": (image - target).square().mean()}

    options = {"steps": 8, "learning_rate": 0.02, "locality_weight": 0.0}
    delta = tuning.tune(network, wplus, likeness, **options)
    assert all(torch.equal(value, before[name]) for name, value in network.synthesis.state_dict().items())
    plain = likeness(network.synthesize(wplus))["pixel"]
    with tuning.applied(network, delta):
        assert likeness(network.synthesize(wplus))["pixel"] < 0.9 * plain


@pytest.mark.parametrize("kind", ["skip", "resnet"])
def test_an_anchored_draft_is_the_reduced_image_at_its_code_and_has_gradients(kind):
    network = random_generator(64, synthesis=kind)
    network.draft = drafts.fit(network, size=32, renders=4)
    wplus = _codes(network, 1)
    anchored = drafts.AnchoredDraft(network, wplus)
    with torch.no_grad():
        reduced = functional.avg_pool2d(network.synthesize(wplus), 2)
        assert torch.allclose(anchored(wplus), reduced, atol=1e-4)
    free = wplus.clone().requires_grad_()
    anchored(free).square().mean().backward()
    assert free.grad[:, :5].abs().sum(dim=-1).all()  # the layers up to the 16 px map


@pytest.mark.parametrize("kind", ["skip", "resnet"])
def test_own_drafts_come_nearer_to_the_renders_of_their_face_and_have_gradients(kind):
    network = random_generator(64, synthesis=kind)
    network.draft = drafts.fit(network, size=32, renders=4)
    wplus = _codes(network, 1)
    near = wplus + 0.1 * torch.randn(3, *wplus.shape[1:], generator=torch.Generator().manual_seed(5))
    own = network.around(torch.cat((wplus, near[:1])))
    with torch.no_grad():
        reduced = functional.avg_pool2d(network.synthesize(near[1:]), 2)
        before, after = ((each.synthesize(near[1:], 32) - reduced).square().mean() for each in (network, own))
        assert after < 0.5 * before
        assert torch.equal(own.synthesize(wplus), network.synthesize(wplus))
    free = wplus.clone().requires_grad_()
    own.synthesize(free, 32).square().mean().backward()
    assert free.grad[:, :5].abs().sum(dim=-1).all()  # the layers up to the 16 px map


@pytest.fixture
def units(monkeypatch):
    """A processor with, or without, matrix units for bfloat16, and a network that takes them."""
    network = random_generator(64)
    network.synthesis.steps_in_bfloat16 = True
    network.draft = drafts.fit(network, size=32, renders=4)

    def given(there):
        monkeypatch.setattr(generator, "has_bfloat16_units", lambda: there)
        return network, network.around(_codes(network, 1))

    return given


def _descent(network):
    """A draft of a code, and its gradient."""
    free = _codes(network, 1).requires_grad_()
    image = network.synthesize(free, 32)
    image.square().mean().backward()
    return image.detach(), free.grad


def test_gradient_steps_in_bfloat16_see_nearly_the_same_and_full_pictures_are_the_same(units):
    plain, (network, swift) = units(False)[1], units(True)
    (image, gradient), (rough, near) = _descent(plain), _descent(swift)
    assert rough.dtype == torch.float32 and not torch.equal(rough, image)
    assert (rough - image).abs().mean() < 0.02
    assert torch.cosine_similarity(near.flatten(), gradient.flatten(), dim=0) > 0.99
    codes = _codes(network, 1)
    with torch.no_grad():
        assert torch.equal(swift.synthesize(codes), network.synthesize(codes))


def test_without_such_units_gradient_steps_are_as_they_were(units):
    network, own = units(False)
    assert network.swift is network.synthesis is own.swift


def test_a_tuned_network_takes_its_steps_with_the_tuned_weights(units):
    network, _ = units(True)
    before = next(network.swift.parameters()).clone()
    with torch.no_grad():
        next(network.synthesis.parameters()).add_(1.0)
    assert not torch.equal(next(network.swift.parameters()), before)


def test_an_own_draft_finds_the_cells_of_which_an_image_is_made():
    weight = torch.randn(12, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    maps = torch.randn(2, 1, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    true = drafts.Draft(64, weight, torch.arange(12.0))
    seen = [(each, true(each)) for each in maps]
    for stride in (1, 2):
        found = drafts._fitted(drafts.Draft(64), seen, kernel=3, stride=stride)
        torch.testing.assert_close(found.weight, weight, atol=0.02, rtol=0)
        torch.testing.assert_close(found.bias, true.bias, atol=0.02, rtol=0)


def test_a_generator_whose_drafts_are_its_images_has_no_own_ones():
    network = random_generator(32, draft=drafts.Draft(32))
    assert network.around(_codes(network, 1)) is network


def test_a_readout_is_stored_flat_and_comes_back():
    draft = drafts.Draft(64, torch.randn(12, 5, 1, 1), torch.randn(12))
    stored = drafts.to_arrays(draft)
    assert stored["weight"].shape == (12, 5)
    back = drafts.from_arrays(stored)
    assert torch.equal(back.weight, draft.weight) and torch.equal(back.bias, draft.bias)


def test_a_draft_that_is_drawn_is_stored_as_its_size(tmp_path):
    arrays = drafts.to_arrays(drafts.Draft(64))
    assert list(arrays) == ["size"]
    assert drafts.from_arrays(arrays) == drafts.Draft(64)


def _converted(tmp_path, resolution=64, name="mine"):
    """A checkpoint of a user and what the workflow makes of it; returns both."""
    network = random_network(resolution)
    source, model = tmp_path / f"{name}.safetensors", tmp_path / f"{name}-converted.safetensors"
    original = checkpoint.Checkpoint(network.architecture, network.state_dict(), {"name": "original"})
    checkpoint.save(original, source)
    identity = Identity(name, texts.sha256(source))
    foreign_checkpoints.convert_as(source, model, identity, log=LOG)
    return network, model, identity


def test_a_converted_checkpoint_is_the_same_network_under_the_hash_of_its_file(tmp_path):
    network, model, identity = _converted(tmp_path)
    loaded = generator.load(OPTIONS, model, **HARDWARE)
    assert loaded.identity == identity
    with torch.no_grad():
        w = loaded.map(torch.ones(1, 24))
        assert torch.equal(w, network.mapping(torch.ones(1, 24)))
        wplus = broadcast(w, loaded.num_layers)
        assert torch.equal(loaded.synthesize(wplus), network.synthesis(wplus))


def test_a_checkpoint_that_is_not_the_one_of_the_config_is_refused(tmp_path):
    _, model, _ = _converted(tmp_path)
    with pytest.raises(ValueError, match=f"has the sha256 {texts.sha256(model)} instead of {'f' * 64}"):
        identity = Identity("other", "f" * 64)
        foreign_checkpoints.convert_as(model, tmp_path / "out.safetensors", identity, log=LOG)


def test_a_fetched_checkpoint_is_converted_from_its_folder(tmp_path):
    _, model, _ = _converted(tmp_path)
    asset = Asset("net", "path", str(model), (("", "net.safetensors"),), None, "MIT", 1)
    assets.fetch(asset, tmp_path / "net")
    (tmp_path / "net" / ".snakemake_timestamp").touch()
    identity = Identity("net", texts.sha256(model))
    foreign_checkpoints.convert_as(tmp_path / "net", tmp_path / "out.safetensors", identity, log=LOG)
    assert generator.load(OPTIONS, tmp_path / "out.safetensors", **HARDWARE).identity == identity


def test_a_draft_larger_than_the_images_is_one_sentence(tmp_path):
    _, model, _ = _converted(tmp_path)
    large = generator.Options(draft_size=256)
    with pytest.raises(ValueError, match="draft_size is 256 px, .* have only 64 px; set it to 64 or less"):
        generator.load(large, model, **HARDWARE)


def test_the_draft_of_another_generator_is_refused_with_both_names(tmp_path):
    _, model, _ = _converted(tmp_path)
    facts = provenance.provenance(**Identity("other", "e" * 64).facts)
    arrays.write_zarr(tmp_path / "draft.zarr", {"size": np.array([32])}, attributes=facts)
    with pytest.raises(ValueError, match=r"generator other \(e{12}\) and cannot be used with mine \("):
        generator.load(OPTIONS, model, draft=tmp_path / "draft.zarr", **HARDWARE)


@pytest.mark.parametrize("wrong", ["draft", "directions", "fan", "code", "tuning"])
def test_no_part_of_a_stage_may_be_of_another_generator(tmp_path, wrong):
    _, model, identity = _converted(tmp_path)
    paths = {name: tmp_path / f"{name}.zarr" for name in ("draft", "directions", "code")}
    paths |= {name: tmp_path / f"{name}.pt" for name in ("fan", "tuning")}
    for name, path in paths.items():
        made = Identity("other", "e" * 64) if name == wrong else identity
        if path.suffix == ".zarr":
            arrays.write_zarr(path, {"size": np.array([32])}, attributes=provenance.provenance(**made.facts))
        else:
            weights.write_checkpoint({"provenance": provenance.provenance(**made.facts)}, path)
    job = SimpleNamespace(
        input=SimpleNamespace(generator=model, models=None, **paths | {"tuning": [paths["tuning"]]}),
        params=SimpleNamespace(generator=asdict(OPTIONS), landmarks=LANDMARKS),
        config={"generator": {"runtime": "torch"}},
        resources=None,
        threads=1,
    )
    with pytest.raises(ValueError, match=rf"{wrong}\.\w+ was made with the generator other .* with mine"):
        closed_loop.of_job(job)


@pytest.mark.parametrize("layers", [1, 5])
def test_style_weights_say_what_a_step_in_the_first_layers_does_to_the_styles(layers):
    network = random_generator(64)
    blocks = [network.synthesis.b4.conv1, network.synthesis.b8.conv0, network.synthesis.b8.conv1]
    blocks += [network.synthesis.b16.conv0, network.synthesis.b16.conv1]
    step = torch.randn(1, 16, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        styles = [(block.affine(step) - block.affine(0 * step)) / block.affine.gain for block in blocks]
    expected = torch.cat(styles[:layers], dim=1)[0]
    assert torch.allclose(network.style_weights(layers) @ step[0], expected, atol=1e-5)
