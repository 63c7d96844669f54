import numpy as np
import pytest
import torch

from d2a_core.faces.detectors import load_detector
from d2a_core.faces.geometry import normalized_mean_error
from d2a_core.faces.landmarks import Options
from d2a_core.generator import drafts, generator
from d2a_core.generator.mobile_stylegan import by_channel, inverse_haar
from d2a_core.generator.rendering import render

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network(mobile):
    torch.set_num_threads(2)
    return mobile(threads=2)


@pytest.fixture(scope="module")
def drafting(network):
    network.draft = drafts.fit(network, size=256)
    return network


def _w(network, count, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return network.map(torch.randn(count, 512, generator=rng))


def _original(assets, name):
    """The published IR as OpenVINO runs it, in float32."""
    import openvino

    path = assets / "mobilestylegan-ffhq" / f"{name}Network.xml"
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
    return openvino.Core().compile_model(path, "CPU", hints)


def test_inverse_haar_undoes_the_haar_transform():
    image = torch.randn(2, 3, 8, 8)
    a, b, c, d = (image[:, :, i::2, j::2] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
    low = (a + b + c + d) / 2
    details = torch.stack((a + b - c - d, a - b + c - d, a - b - c + d), dim=2) / 2
    bands = torch.cat((low, details.flatten(1, 2)), dim=1)  # as the published weights have them
    assert torch.allclose(inverse_haar(by_channel(bands, dim=1)), image, atol=1e-6)


def test_mapping_equals_the_original(network, assets):
    z = torch.randn(3, 512, generator=torch.Generator().manual_seed(1))
    original = _original(assets, "Mapping")
    expected = np.concatenate([original(row[None].numpy())[0] for row in z])
    assert network.map(z).numpy() == pytest.approx(expected, abs=2e-5)


def test_compiled_synthesis_equals_the_original_on_several_seeds(network, assets):
    original = _original(assets, "Synthesis")
    for w in _w(network, 5, seed=3):
        with torch.no_grad():
            ours = network.synthesize(generator.broadcast(w[None], 16)).numpy()
        assert np.abs(ours - original(w[None].numpy())[0]).max() <= 1e-4


def test_pytorch_and_compiled_synthesis_agree_and_pytorch_has_gradients(network):
    wplus = generator.broadcast(_w(network, 1, seed=4), 16).clone()
    with torch.no_grad():
        compiled = network.synthesize(wplus)
    wplus.requires_grad_()
    image = network.synthesize(wplus)
    assert (image.detach() - compiled).abs().max() <= 2e-4  # both are within 1.5e-4 of float64
    image.square().mean().backward()
    assert (wplus.grad.abs().sum(dim=-1) > 0).all()  # every one of the 16 layers acts


def _consultation(count, seed=0, size=0.1):
    rng = torch.Generator().manual_seed(seed)
    return tuple(size * torch.randn(count, 512, 64, 64, generator=rng) for _ in range(2))


def test_a_consultation_of_zeros_changes_no_bit_in_pytorch(drafting):
    wplus = generator.broadcast(_w(drafting, 1, seed=8), 16)
    network = drafting._network(256)
    with torch.no_grad():
        plain, consulted = network(wplus), network(wplus, *_consultation(1, size=0.0))
        before = [drafting.synthesis.hidden(wplus, n, ()) for n in (3, 4)]
        after = [drafting.synthesis.hidden(wplus, n, _consultation(1)) for n in (3, 4)]
    assert torch.equal(plain, consulted)
    assert torch.equal(before[0], after[0])  # nothing moves before block 3
    assert not torch.allclose(before[1], after[1], atol=0.1)


def test_a_consultation_is_applied_to_the_map_that_layer_7_styles(drafting):
    wplus, (scale, shift) = generator.broadcast(_w(drafting, 1, seed=8), 16), _consultation(1)
    block, maps = drafting.synthesis.blocks[3], []
    hook = block.conv1.register_forward_hook(lambda module, inputs, output: maps.append((inputs, output)))
    with torch.no_grad():
        refined = drafting.synthesis.hidden(wplus, 4, (scale, shift))
        hook.remove()
        (_, layer), output = maps[0]
        assert torch.equal(layer, wplus[:, 7])
        expected = block.conv2(output + output * scale + shift, wplus[:, 8])
    assert torch.allclose(refined, expected, atol=1e-4)


@pytest.mark.parametrize("size", [256, 1024])
def test_compiled_consultation_equals_pytorch_and_leaves_plain_renders_alone(drafting, size):
    wplus, consultation = generator.broadcast(_w(drafting, 1, seed=9), 16), _consultation(1)
    with torch.no_grad():
        plain = drafting.synthesize(wplus, size)
        compiled = drafting.synthesize(wplus, size, consultation=consultation)
        pytorch = drafting._network(size)(wplus, *consultation)
        again = drafting.synthesize(wplus, size)
    assert (compiled - pytorch).abs().max() <= 1e-4 * max(1, pytorch.abs().max())
    assert torch.equal(plain, again)
    assert (compiled - plain).abs().mean() > 0.01


def test_a_consultation_of_another_shape_or_for_a_small_draft_is_one_sentence(drafting):
    wplus = generator.broadcast(_w(drafting, 1), 16)
    scale, shift = _consultation(2)
    with pytest.raises(ValueError, match=r"twice \[1, 512, 64, 64\], not \[2, 512, 64, 64\]"):
        drafting.synthesize(wplus, consultation=(scale, shift))
    readout, drafting.draft = drafting.draft, drafts.Draft(64, torch.zeros(12, 512, 1, 1), torch.zeros(12))
    try:
        with pytest.raises(ValueError, match="64 px is read before the consulted map"):
            drafting.synthesize(wplus, 64, consultation=(scale[:1], shift[:1]))
    finally:
        drafting.draft = readout


def test_a_batch_gives_what_single_images_give(drafting):
    wplus = generator.broadcast(_w(drafting, 3, seed=5), 16)
    with torch.no_grad():
        batch = drafting.synthesize(wplus, 256)
        single = torch.cat([drafting.synthesize(row, 256) for row in wplus.split(1)])
    assert torch.allclose(batch, single, atol=1e-4)


def test_early_layers_move_the_face_and_late_layers_its_colours(drafting, assets):
    options = Options(detector="facemesh", min_score=0.5, box="ffhq", weights=None)
    detector = load_detector(options, assets / "mediapipe-face", device="cpu", threads=2)
    source, other = generator.broadcast(_w(drafting, 8, seed=6), 16).split(4)
    early, late = source.clone(), source.clone()
    early[:, :8], late[:, 8:] = other[:, :8], other[:, 8:]
    base, moved, tinted = (render(drafting, wplus) for wplus in (source, early, late))
    points = [detector.detect(images).points for images in (base, moved, tinted)]
    assert np.median(normalized_mean_error(points[1], points[0])) > 0.05
    assert np.median(normalized_mean_error(points[2], points[0])) < 0.02
    assert np.abs(tinted.astype(float) - base).mean() > 10


def test_landmarks_on_drafts_stay_near_those_on_full_renders(drafting, assets):
    options = Options(detector="facemesh", min_score=0.5, box="ffhq", weights=None)
    detector = load_detector(options, assets / "mediapipe-face", device="cpu", threads=2)
    wplus = generator.broadcast(_w(drafting, 16, seed=7), 16)
    full = np.concatenate([detector.detect(render(drafting, row)).points for row in wplus.split(1)])
    draft = detector.detect(render(drafting, wplus, 256)).points
    assert np.nanmedian(normalized_mean_error(draft, full)) <= 0.015


def test_draft_survives_storage(drafting):
    arrays = drafts.to_arrays(drafting.draft)
    again = drafts.from_arrays(arrays)
    assert torch.equal(again.weight, drafting.draft.weight) and again.size == 256


@pytest.mark.parametrize(
    ("shape", "size", "words"),
    [((1, 16, 512), 300, "no 300 px images"), ((1, 18, 512), None, r"not \[1, 18, 512\]")],
)
def test_what_the_network_cannot_render_is_one_sentence(drafting, shape, size, words):
    with pytest.raises(ValueError, match=words):
        drafting.synthesize(torch.zeros(shape), size)


@pytest.mark.parametrize("size", [48, 8])
def test_impossible_draft_sizes_name_the_possible_ones(network, size):
    with pytest.raises(ValueError, match="choose one of 32, 64, 128, 256, 512, 1024"):
        drafts.check_size(network.synthesis, size)


def test_a_draft_larger_than_the_images_is_one_sentence(network):
    with pytest.raises(ValueError, match="draft_size is 2048 px, .* only 1024 px; set it to 1024 or less"):
        drafts.check_size(network.synthesis, 2048)


def test_mean_w_has_the_published_norm(network):
    assert network.mean_w.norm().item() == pytest.approx(4.1, abs=0.1)
