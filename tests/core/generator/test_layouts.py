"""One generator as it is passed on: every container and naming gives the weights of the plain file."""

import argparse
import collections
import pathlib
import pickle

import pytest
import safetensors.torch
import stylegan2_checkpoints as files
import torch

from d2a_core.generator import foreign_checkpoints
from d2a_core.generator.layouts import finding
from d2a_core.generator.unpickling import machine

NETWORK = files.network(z_dim=9)
PLAIN = files.rosinality_state(NETWORK)
NVIDIA = files.nvidia_state(NETWORK)
BASICSR = files.basicsr_state(NETWORK)
MEAN = files.mean_of(NETWORK)
EARLIER = files.network(seed=1, z_dim=9)  # the same before it was averaged
OTHER = files.rosinality_state(EARLIER)
ENCODER = {
    "encoder.input_layer.0.weight": torch.ones(4, 3, 3, 3),
    "encoder.styles.0.linear.bias": torch.ones(4),
}
OPTIONS = argparse.Namespace(device=torch.device("cpu"), exp_dir=pathlib.PurePosixPath("x"), lr=1e-4)
under = files.under


@pytest.fixture
def load(tmp_path):
    """Load what a file of these contents holds."""

    def load(content, name="given.pt", **options):
        (tmp_path / name).write_bytes(files.saved(content, **options))
        return foreign_checkpoints.load(tmp_path / name)

    return load


def _same(checkpoint, atol=1e-6):
    assert checkpoint.architecture == NETWORK.architecture
    expected = NETWORK.state_dict()
    assert checkpoint.state.keys() == expected.keys()
    for name, value in checkpoint.state.items():
        assert value.dtype == torch.float32
        if name != "mapping.w_avg":
            assert torch.allclose(value, expected[name], atol=atol), name


CONTAINERS = {
    "a state dict alone": (PLAIN, "rosinality"),
    "of a network on several devices": (under("module.", PLAIN), "rosinality"),
    "of a compiled network": ({"g_ema": under("_orig_mod.", PLAIN)}, "rosinality"),
    "g without an average": ({"g": PLAIN, "d": {"convs.0.0.weight": torch.ones(1)}}, "rosinality"),
    "g beside its average": ({"g": OTHER, "g_ema": PLAIN}, "rosinality"),
    "g beside its average on several devices": ({"g": OTHER, "g_ema": under("module.", PLAIN)}, "rosinality"),
    "netG": ({"netG": PLAIN, "netD": {}, "epoch": 3}, "rosinality"),
    "ema": ({"model": OTHER, "ema": PLAIN}, "rosinality"),
    "a state dict under its usual name": ({"state_dict": PLAIN}, "rosinality"),
    "a model's": ({"model": {"state_dict": PLAIN}, "iteration": 7}, "rosinality"),
    "Lightning": (
        {"state_dict": {**under("generator.", OTHER), **under("g_ema.", PLAIN)}, "epoch": 3, "callbacks": {}},
        "rosinality",
    ),
    "Lightning's generator alone": ({"state_dict": under("generator.", PLAIN)}, "rosinality"),
    "generator_ema": (
        {"state_dict": {**under("generator.", OTHER), **under("generator_ema.", PLAIN)}, "meta": {}},
        "rosinality",
    ),
    "an ordered dictionary": (collections.OrderedDict(PLAIN), "rosinality"),
    "the same twice": ({"a": PLAIN, "b": dict(PLAIN)}, "rosinality"),
    "in a list": ([PLAIN, {"step": 3}], "rosinality"),
    "parameters": ({"g_ema": {n: torch.nn.Parameter(v) for n, v in PLAIN.items()}}, "rosinality"),
    "pSp without a mean": ({"state_dict": {**ENCODER, **under("decoder.", PLAIN)}}, "rosinality"),
    "BasicSR": ({"params": files.basicsr_state(EARLIER), "params_ema": BASICSR}, "basicsr"),
    "BasicSR alone": (BASICSR, "basicsr"),
    "a restorer with BasicSR's generator": (
        {"params_ema": {**under("stylegan_decoder.", BASICSR), "conv_body_first.bias": torch.ones(2)}},
        "basicsr",
    ),
    "NVIDIA's state dict": ({"G": files.nvidia_state(EARLIER), "G_ema": NVIDIA}, "nvidia"),
    "NVIDIA's state dict alone": (NVIDIA, "nvidia"),
    "NVIDIA's on several devices": ({"state_dict": under("module.", NVIDIA)}, "nvidia"),
}  # fmt: skip


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_generator_in_any_container_has_the_weights_of_the_plain_file(load, name, legacy):
    content, layout = CONTAINERS[name]
    loaded = load(content, _use_new_zipfile_serialization=not legacy)
    _same(loaded)
    assert loaded.origin["format"] == layout


@pytest.mark.parametrize("name", ["a state dict alone", "of a network on several devices", "BasicSR alone"])
def test_safetensors_of_other_programs_are_read_too(tmp_path, name):
    state = {key: value.contiguous() for key, value in CONTAINERS[name][0].items()}
    safetensors.torch.save_file(state, tmp_path / "given.safetensors", metadata={"format": "pt"})
    _same(foreign_checkpoints.load(tmp_path / "given.safetensors"))


def test_arrays_of_numpy_are_weights_too(tmp_path):
    (tmp_path / "given.pkl").write_bytes(pickle.dumps({name: value.numpy() for name, value in PLAIN.items()}))
    _same(foreign_checkpoints.load(tmp_path / "given.pkl"))


def _module(state):
    """A module of PyTorch with just this state dict."""
    root = torch.nn.Module()
    for name, value in state.items():
        owner = root
        *parts, last = name.split(".")
        for part in parts:
            owner.add_module(part, owner._modules.get(part) or torch.nn.Module())
            owner = owner._modules[part]
        owner.register_buffer(last, value)
    return root


@pytest.mark.parametrize("wrap", [dict, lambda **names: names["g_ema"], lambda **names: names | {"g": OTHER}])
def test_a_whole_module_is_read_like_its_state_dict(load, wrap):
    _same(load(wrap(g_ema=_module(PLAIN))))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_brought_to_float32(load, dtype):
    loaded = load({"g_ema": {name: value.to(dtype) for name, value in PLAIN.items()}})
    _same(loaded, atol=0.02)


MEANS = {
    "beside the weights": {"g_ema": PLAIN, "latent_avg": MEAN},
    "with a row": {"g_ema": PLAIN, "latent_avg": MEAN[None]},
    "for every layer": {"state_dict": under("decoder.", PLAIN), "latent_avg": MEAN.repeat(8, 1)},
    "among the weights": {**PLAIN, "latent_avg": MEAN},
    "in the state dict of pSp": {"state_dict": {**under("decoder.", PLAIN), "latent_avg": MEAN}},
    "under another name": {"params_ema": BASICSR, "mean_latent": MEAN},
}


@pytest.mark.parametrize("name", MEANS)
def test_the_mean_of_w_is_found_wherever_it_lies(load, name):
    loaded = load(MEANS[name])
    assert torch.equal(loaded.state["mapping.w_avg"], MEAN)
    assert not any("mean of w" in note for note in loaded.notes)


@pytest.mark.parametrize(
    "content",
    [PLAIN, {"state_dict": under("decoder.", PLAIN)}, {"g_ema": PLAIN, "latent_avg": torch.randn(8, 9)}],
)
def test_a_mean_of_w_that_is_missing_or_none_is_measured_and_said(load, content):
    loaded = load(content)
    w = NETWORK.mapping(torch.randn(20_000, 9, generator=torch.Generator().manual_seed(1)))
    assert ((loaded.state["mapping.w_avg"] - w.mean(dim=0)).abs() < w.std(dim=0) / 20).all()
    (note,) = loaded.notes
    assert note.endswith("given.pt: it has no mean of w, so that of 10000 samples is taken")


def test_a_mean_of_another_length_is_measured_anew_and_said(load):
    loaded = load({"g_ema": PLAIN, "latent_avg": torch.ones(512)})
    assert torch.equal(loaded.state["mapping.w_avg"], load({"g_ema": PLAIN}).state["mapping.w_avg"])
    assert loaded.notes[0].endswith("its mean of w has 512 numbers instead of 9")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_of_a_training_that_has_diverged_are_refused(load, value):
    broken = PLAIN | {"convs.0.conv.weight": torch.full_like(PLAIN["convs.0.conv.weight"], value)}
    with pytest.raises(ValueError, match="b8.conv0.weight holds infinite numbers or none; give an earlier"):
        load({"g_ema": broken, "latent_avg": MEAN})


@pytest.mark.parametrize("odd", [torch.ones(3, dtype=torch.int64), None, "x"])
def test_what_is_no_weight_beside_the_weights_is_no_matter(load, odd):
    _same(load({"g_ema": PLAIN | {"counter": odd}, "latent_avg": odd}))


def test_an_embedding_of_another_shape_is_one_sentence(load):
    with pytest.raises(ValueError, match="is not built like a StyleGAN2 checkpoint; give a pickle"):
        load(NVIDIA | {"mapping.embed.weight": torch.ones(2, 3, 4)})


def test_an_encoder_in_the_same_file_is_named_and_left(load):
    content = {"state_dict": {**ENCODER, **under("decoder.", PLAIN)}, "latent_avg": MEAN, "opts": OPTIONS}
    loaded = load(content | {"discriminator_state_dict": {"convs.0.0.weight": torch.ones(1)}})
    _same(loaded)
    (note,) = loaded.notes
    assert note.endswith(
        "its generator is state_dict.decoder; what lies beside it is left: encoder, discriminator_state_dict"
    )


def test_nothing_is_said_of_a_plain_file(load):
    assert load({"g_ema": PLAIN, "latent_avg": MEAN, "args": OPTIONS}).notes == ()


def test_noise_that_is_missing_is_said(load):
    loaded = load(
        {name: value for name, value in PLAIN.items() if "noises" not in name} | {"latent_avg": MEAN}
    )
    (note,) = loaded.notes
    assert note.endswith("it has no noise maps, so pictures are drawn without noise")
    assert not loaded.state["synthesis.b8.conv0.noise_const"].any()


def test_a_state_dict_without_its_filters_has_the_usual_ones(load):
    _same(load({name: value for name, value in PLAIN.items() if not name.endswith(".kernel")}))


REFUSED = {
    "two generators": (
        {"young": PLAIN, "old": OTHER},
        r"holds several generators \(young, old\); save the one to use alone",
    ),
    "an encoder alone": (
        {"state_dict": ENCODER, "latent_avg": MEAN},
        "no StyleGAN2 generator in it, only state_dict.encoder, latent_avg; give",
    ),
    "StyleGAN3": (
        {"G_ema": {"synthesis.input.freqs": torch.ones(3), "mapping.fc0.weight": torch.ones(3, 3)}},
        "StyleGAN3's alias-free kind; give",
    ),
    "GFPGAN's simplified generator": (
        {"params_ema": under("stylegan_decoder.", BASICSR | {"style_conv1.bias": torch.ones(8)})},
        "simplified one of GFPGAN, which draws otherwise; give a StyleGAN2",
    ),
    "a decoder without its mapping": (
        {name: value for name, value in PLAIN.items() if not name.startswith("style.")},
        "no mapping from z to w; give",
    ),
    "a layer too few": (
        {name: value for name, value in PLAIN.items() if name != "input.input"},
        "synthesis.b4.const should be .* missing; give an intact file",
    ),
    "a layer too many": (PLAIN | {"iwt.ll": torch.ones(1)}, "iwt.ll belongs to no StyleGAN2"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_generator_is_one_sentence(load, name):
    content, words = REFUSED[name]
    with pytest.raises(ValueError, match=words) as refusal:
        load(content)
    assert "\n" not in str(refusal.value)


def test_names_that_a_terminal_would_obey_are_shown_as_escapes(load):
    loaded = load({"g_ema": PLAIN, "latent_avg": MEAN, "\x1b[2Jnot": {"a": torch.ones(1)}})
    (note,) = loaded.notes
    assert note.isprintable() and "\\x1b[2Jnot" in note


def test_more_tensors_than_any_network_has_are_refused(load, monkeypatch):
    monkeypatch.setattr(finding, "MAX_TENSORS", len(PLAIN) - 1)
    with pytest.raises(ValueError, match=f"more than {len(PLAIN) - 1} tensors; give"):
        load(PLAIN)


def test_a_file_that_changes_while_it_is_read_is_refused(load, monkeypatch):
    read = machine.load

    def grow(path):
        content = read(path)
        with path.open("ab") as handle:
            handle.write(b"more")
        return content

    monkeypatch.setattr(machine, "load", grow)
    with pytest.raises(ValueError, match="given.pt changed while it was read; wait until it is whole"):
        load(PLAIN)
