import json
import math

import numpy as np
import pytest
import stylegan2_checkpoints as files
import torch
from scipy import signal

from d2a_core.generator import stylegan2
from d2a_core.generator.engine import compile_openvino, run_compiled
from d2a_core.generator.stylegan2 import Architecture


def _architecture(**changes):
    return files.network(**changes).architecture


def _wplus(count=2, layers=8, seed=1):
    return torch.randn(count, layers, 9, generator=torch.Generator().manual_seed(seed))


def _spread(image):
    """Zeros between and after the pixels of [S, S]."""
    spread = np.zeros((2 * len(image), 2 * len(image)))
    spread[::2, ::2] = image
    return spread


def _convolved(x, weight, styles, up):
    """Modulated and demodulated convolution, one kernel after the other, in float64 by SciPy."""
    result = []
    for image, style in zip(x.double().numpy(), styles.double().numpy(), strict=True):
        kernels = weight.double().numpy() * style[None, :, None, None]
        kernels /= np.sqrt((kernels**2).sum(axis=(1, 2, 3), keepdims=True))
        for kernel in kernels:
            planes = zip(image, kernel, strict=True)
            if up:  # a true convolution; the last row of zeros adds nothing
                parts = [signal.convolve2d(_spread(plane), k)[:-1, :-1] for plane, k in planes]
            else:
                parts = [signal.correlate2d(plane, k, mode="same") for plane, k in planes]
            result.append(sum(parts))
    return np.stack(result).reshape(len(x), len(weight), *result[0].shape)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_modulated_convolution_equals_a_loop_over_images_and_kernels(fused, up):
    x, weight, styles = torch.randn(3, 4, 6, 6), torch.randn(5, 4, 3, 3), torch.randn(3, 4)
    scales = stylegan2.demodulation(weight, styles)
    y = stylegan2.modulated_conv(x, weight, styles, scales, up=up, fused=fused)
    assert y.numpy() == pytest.approx(_convolved(x, weight, styles, up), abs=1e-5)


def test_demodulation_is_the_inverse_norm_of_the_styled_kernel():
    styles = torch.tensor([[3.0, 4.0]])
    assert stylegan2.demodulation(torch.ones(1, 2, 1, 1), styles).item() == pytest.approx(1 / 5)


@pytest.mark.parametrize("taps", [(1.0, 3.0, 3.0, 1.0), (1.0, 1.0), (1.0, 2.0, -1.0, 3.0, 5.0, 7.0)])
def test_upsampling_is_zero_insertion_and_convolution(taps):
    x, kernel = torch.randn(1, 2, 5, 5), stylegan2.fir_kernel(taps)
    first = len(taps) // 2 - 1  # what the filter adds is cut off on both sides
    for plane, result in zip(x[0], stylegan2.upsample(x, kernel)[0], strict=True):
        full = signal.convolve2d(_spread(plane.numpy()), kernel[0, 0].numpy())
        assert result.numpy() == pytest.approx(full[first : first + 10, first : first + 10], abs=1e-5)


def test_smoothing_is_a_convolution():
    x, kernel = torch.randn(1, 2, 9, 9), stylegan2.fir_kernel((1.0, 3.0, 2.0, 1.0))
    for plane, result in zip(x[0], stylegan2.smooth(x, kernel)[0], strict=True):
        full = signal.convolve2d(plane.numpy(), kernel[0, 0].numpy())
        assert result.numpy() == pytest.approx(full[2:-2, 2:-2], abs=1e-5)


def test_upsampling_keeps_a_flat_image_flat_away_from_its_border():
    image = stylegan2.upsample(torch.full((1, 3, 4, 4), 2.0), stylegan2.fir_kernel((1.0, 3.0, 3.0, 1.0)))
    assert image[..., 1:-1, 1:-1].numpy() == pytest.approx(2.0)


def test_mapping_of_one_layer_is_a_scaled_product_on_the_unit_sphere():
    network = files.network(mapping_layers=1)
    z = torch.randn(2, 7)
    layer = network.mapping.fc0
    unit = z / z.square().mean(dim=1, keepdim=True).sqrt()
    linear = unit @ layer.weight.T * (0.01 / math.sqrt(7)) + 0.01 * layer.bias
    expected = math.sqrt(2) * torch.where(linear > 0, linear, 0.2 * linear)
    assert torch.allclose(network.mapping(z), expected, atol=1e-6)
    assert torch.allclose(network.mapping(10 * z), expected, atol=1e-6)


def test_truncation_reaches_the_mean_at_0_and_spares_layers_after_the_cutoff():
    wplus, mean = _wplus(), torch.randn(9)
    assert torch.allclose(stylegan2.truncate(wplus, mean, 1.0), wplus, atol=1e-6)
    assert torch.equal(stylegan2.truncate(wplus, mean, 0.0), mean.expand_as(wplus))
    cut = stylegan2.truncate(wplus, mean, 0.5, cutoff=3)
    assert torch.allclose(cut[:, :3], (wplus[:, :3] + mean) / 2, atol=1e-6)
    assert torch.equal(cut[:, 3:], wplus[:, 3:])


@pytest.mark.parametrize(("resolution", "layers"), [(32, 8), (256, 14), (1024, 18)])
def test_layers_of_wplus_are_two_a_block(resolution, layers):
    channels = (4,) * (resolution.bit_length() - 2)
    assert Architecture(resolution=resolution, channels=channels).num_layers == layers


@pytest.mark.parametrize("synthesis", ["skip", "resnet", "orig"])
def test_a_hidden_map_depends_on_the_layers_of_its_blocks_only(synthesis):
    synthesis = files.network(synthesis=synthesis).synthesis
    wplus = _wplus().requires_grad_()
    features = synthesis.hidden(wplus, 2)
    assert features.shape == (2, 6, 16, 16)
    features.square().sum().backward()
    assert (wplus.grad.abs().sum(dim=(0, 2)) > 0).tolist() == [True] * 5 + [False] * 3


def test_a_draft_is_the_image_of_the_network_cut_off_there_and_computes_no_more():
    network = files.network().synthesis
    cut = stylegan2.SynthesisNetwork(_architecture()).eval()
    cut.load_state_dict(network.state_dict())
    del cut.b32
    draft = cut(_wplus(), 16)
    assert draft.shape == (2, 3, 16, 16)
    drawn = [block.torgb(x, _wplus()[:, 2 * i + 1]) for i, block, x in _skip_layers(network)]
    image = drawn[0]
    for more in drawn[1:]:
        image = stylegan2.upsample(image, network.kernel) + more
    assert torch.equal(draft, image)


def _skip_layers(network):
    for index in range(3):
        yield index, network.get_submodule(f"b{4 << index}"), network.hidden(_wplus(), index)


@pytest.mark.parametrize("synthesis", ["resnet", "orig"])
def test_a_network_that_draws_at_the_end_only_has_no_drafts(synthesis):
    network = files.network(synthesis=synthesis).synthesis
    assert network(_wplus()).shape == (2, 3, 32, 32)
    with pytest.raises(ValueError, match=r"no 16 px images from this generator; it gives \[32\]"):
        network(_wplus(), 16)


def test_what_a_network_cannot_give_is_one_sentence():
    network = files.network().synthesis
    with pytest.raises(ValueError, match=r"no 64 px images .* gives \[4, 8, 16, 32\]"):
        network(_wplus(), 64)
    with pytest.raises(ValueError, match="no 64 px map in a network of 32 px"):
        network.hidden(_wplus(), 4)
    with pytest.raises(ValueError, match="unknown noise 'some'; choose from const, random, none"):
        network(_wplus(), noise="some")


def test_a_resnet_block_is_the_mean_power_of_its_two_paths():
    block = files.network(synthesis="resnet").synthesis.b8
    x, (first, second) = torch.randn(2, 8, 4, 4), _wplus()[:, :2].unbind(dim=1)
    path = block.conv1(block.conv0(x, first), second)
    around = stylegan2.upsample(
        torch.einsum("oi,nihw->nohw", block.skip.weight[..., 0, 0], x), block.skip.kernel
    )
    expected = (path + around / math.sqrt(8)) / math.sqrt(2)
    assert torch.allclose(block(x, first, second), expected, atol=1e-4)


def test_noise_is_that_of_the_checkpoint_or_drawn_or_none():
    network = files.network().synthesis

    def draw(noise, seed=0):
        return network(_wplus(), noise=noise, rng=torch.Generator().manual_seed(seed))

    assert torch.equal(draw("random"), draw("random")) and torch.equal(draw("const"), draw("const", 1))
    images = [draw("const"), draw("none"), draw("random"), draw("random", 1)]
    assert all(not torch.allclose(a, b, atol=0.1) for i, a in enumerate(images) for b in images[:i])
    for name, strength in network.named_parameters():
        strength.mul_(not name.endswith("noise_strength"))
    assert torch.equal(draw("const"), draw("none")) and torch.equal(draw("random"), draw("none"))


def test_noise_is_added_before_the_bias_with_its_strength():
    layer = files.network().synthesis.b4.conv1
    layer.bias.fill_(100.0)  # far on the straight side of the ReLU
    x, w = torch.randn(2, 8, 4, 4), _wplus()[:, 0]
    change = layer(x, w, noise="const") - layer(x, w, noise="none")
    expected = math.sqrt(2) * layer.noise_strength * layer.noise_const
    assert torch.allclose(change, expected.expand_as(change), atol=1e-4)


def test_clamping_bounds_every_convolution():
    network = files.network(conv_clamp=0.5).synthesis
    assert network.hidden(_wplus(), 3).abs().max().item() == 0.5
    free = files.network().synthesis
    assert free.hidden(_wplus(), 3).abs().max() > 2


@pytest.mark.parametrize("synthesis", ["skip", "resnet", "orig"])
def test_a_batch_gives_what_single_images_give(synthesis):
    network = files.network(synthesis=synthesis, fp16_blocks=2).synthesis  # float32 on the CPU nevertheless
    single = torch.cat([network(row) for row in _wplus(3).split(1)])
    assert torch.allclose(network(_wplus(3)), single, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_every_layer_and_every_weight_has_a_gradient(count):
    network = files.network().requires_grad_(True)
    wplus = _wplus(count).requires_grad_()
    network.synthesis(wplus).square().mean().backward()
    assert (wplus.grad.abs().sum(dim=-1) > 0).all()
    assert all(p.grad.abs().sum() > 0 for p in network.synthesis.parameters())
    network.mapping(torch.randn(2, 7)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in network.mapping.parameters())


class _Draft(torch.nn.Module):
    def __init__(self, synthesis, size):
        super().__init__()
        self.synthesis, self.size = synthesis, size

    def forward(self, wplus):
        return self.synthesis(wplus, self.size)


@pytest.mark.parametrize(("synthesis", "size"), [("skip", 32), ("skip", 16), ("resnet", 32), ("orig", 32)])
def test_compiled_synthesis_equals_pytorch_at_any_batch_size(synthesis, size):
    network = _Draft(files.network(synthesis=synthesis).synthesis, size)
    compiled = compile_openvino(network, _wplus(1), threads=1)
    for count in (1, 3):
        expected = network(_wplus(count)).numpy()
        assert run_compiled(compiled, [_wplus(count)])[0].numpy() == pytest.approx(expected, abs=1e-4)


def test_compiled_mapping_equals_pytorch():
    network, z = files.network().mapping, torch.randn(3, 7)
    compiled = compile_openvino(network, z[:1], threads=1)
    assert run_compiled(compiled, [z])[0].numpy() == pytest.approx(network(z).numpy(), abs=1e-5)


def test_architecture_survives_json():
    architecture = _architecture(synthesis="resnet", conv_clamp=256.0, fp16_blocks=2)
    assert Architecture.parse(json.loads(json.dumps(architecture.plain()))) == architecture


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resolution": 48}, "resolution=48 .* one of 32, 64, 128, 256, 512, 1024"),
        ({"resolution": 2048}, "resolution=2048"),
        ({"channels": (8, 8)}, "channels=.* 4 numbers"),
        ({"channels": (8, 8, 8, 10**9)}, "width=1000000000 .* 1 to 4096"),
        ({"w_dim": 0}, "width=0"),
        ({"synthesis": "wavelet"}, "synthesis='wavelet' .* skip, resnet, orig"),
        ({"mapping_layers": 9}, "mapping_layers=9"),
        ({"mapping_lr_multiplier": -1.0}, "mapping_lr_multiplier=-1.0"),
        ({"resample_filter": (1.0, 2.0, 1.0)}, "resample_filter=.* 2, 4, 6 or 8 taps"),
        ({"conv_clamp": math.nan}, "conv_clamp=nan"),
        ({"fp16_blocks": 4}, "fp16_blocks=4"),
    ],
)
def test_an_impossible_architecture_is_one_sentence(changes, words):
    with pytest.raises(ValueError, match=words):
        _architecture(**changes)


@pytest.mark.parametrize("fields", [{}, {"resolution": 32}, _architecture().plain() | {"depth": 3}])
def test_an_architecture_of_other_fields_is_one_sentence(fields):
    with pytest.raises(ValueError, match="is not understood .* convert the original again"):
        Architecture.parse(fields)


def test_weights_that_do_not_fit_are_named():
    architecture, state = _architecture(), files.network().state_dict()
    assert stylegan2.shapes(architecture) == {name: tuple(value.shape) for name, value in state.items()}
    for change, words in [
        ({"synthesis.b4.const": torch.zeros(8, 4, 5)}, r"b4.const should be \[8, 4, 4\] but is \(8, 4, 5\)"),
        ({"synthesis.b64.const": torch.zeros(1)}, "b64.const belongs to no StyleGAN2"),
    ]:
        with pytest.raises(ValueError, match=words):
            stylegan2.build(architecture, state | change)
    del state["mapping.w_avg"]
    with pytest.raises(ValueError, match="w_avg should be .* but is missing"):
        stylegan2.build(architecture, state)
