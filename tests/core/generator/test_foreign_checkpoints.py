import collections
import json
import math

import pytest
import stylegan2_checkpoints as files
import torch

from d2a_core.generator import checkpoint, foreign_checkpoints, stylegan2
from d2a_core.store import texts, weights


@pytest.fixture
def write(tmp_path):
    """Write bytes as a file and return its path."""

    def write(data, name="checkpoint.pkl"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def _same(checkpoint, network):
    assert checkpoint.architecture == network.architecture
    expected = network.state_dict()
    assert checkpoint.state.keys() == expected.keys()
    for name, value in checkpoint.state.items():
        assert torch.allclose(value, expected[name], atol=1e-6), name


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "changes",
    [
        {"synthesis": "skip"},
        {"synthesis": "resnet", "conv_clamp": 256.0, "fp16_blocks": 2},
        {"synthesis": "orig", "mapping_layers": 1},
        {"mapping_layers": 8, "mapping_width": 12, "mapping_lr_multiplier": 0.02},
    ],
)
def test_nvidia_snapshot_gives_back_the_network(write, changes, protocol):
    network = files.network(**changes)
    path = write(files.nvidia(network, protocol=protocol))
    checkpoint = foreign_checkpoints.load(path)
    _same(checkpoint, network)
    assert checkpoint.origin == {"name": path.name, "format": "nvidia", "sha256": texts.sha256(path)}


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("changes", [{}, {"synthesis": "resnet", "conv_clamp": 256.0}, {"synthesis": "orig"}])
def test_tensorflow_pickle_gives_back_the_network(write, changes, protocol):
    network = files.network(**changes)
    checkpoint = foreign_checkpoints.load(write(files.tensorflow(network, protocol=protocol)))
    _same(checkpoint, network)
    assert checkpoint.origin["format"] == "tensorflow"


@pytest.mark.parametrize("layers", [1, 8])
def test_rosinality_checkpoint_gives_back_the_network(write, layers):
    network = files.network(z_dim=9, mapping_layers=layers)
    checkpoint = foreign_checkpoints.load(write(files.rosinality(network), "checkpoint.pt"))
    _same(checkpoint, network)
    assert checkpoint.origin["format"] == "rosinality"


def test_a_missing_mean_of_w_is_estimated(write):
    network = files.network(z_dim=9)
    checkpoint = foreign_checkpoints.load(write(files.rosinality(network, mean=False)))
    w = network.mapping(torch.randn(20_000, 9, generator=torch.Generator().manual_seed(1)))
    spread = w.std(dim=0)
    assert ((checkpoint.state["mapping.w_avg"] - w.mean(dim=0)).abs() < spread / 20).all()


def test_noise_that_a_file_leaves_out_is_silent(write):
    network = files.network()

    def quieten(root):
        for block in files.child(root, "synthesis")["_modules"].values():
            for name, layer in block["state"]["_modules"].items():
                if name.startswith("conv"):
                    del layer["state"]["_parameters"]["noise_strength"]
                    del layer["state"]["_buffers"]["noise_const"]

    checkpoint = foreign_checkpoints.load(write(files.nvidia(network, change=quieten)))
    loaded = stylegan2.build(checkpoint.architecture, checkpoint.state).synthesis
    wplus = torch.randn(1, 8, 9)
    expected = network.synthesis(wplus, noise="none")
    for noise in stylegan2.NOISES:
        assert torch.allclose(loaded(wplus, noise=noise), expected, atol=1e-5)


def _with_classes(root, classes=5, width=4):
    """Give the mapping of `nvidia` an embedding; returns it and the first layer's whole weight."""
    rng = torch.Generator().manual_seed(3)
    embedding = {
        "weight": torch.randn(width, classes, generator=rng),
        "bias": torch.randn(width, generator=rng),
    }
    mapping = files.child(root, "mapping")
    first = mapping["_modules"]["fc0"]["state"]["_parameters"]
    whole = torch.cat((first["weight"], torch.randn(9, width, generator=rng)), dim=1)
    first["weight"] = torch.nn.Parameter(whole)
    layer = {"_parameters": collections.OrderedDict(embedding), "_buffers": {}, "_modules": {}}
    mapping["_modules"]["embed"] = {"class_name": "FullyConnectedLayer", "state": layer}
    return embedding, whole


def test_a_class_is_folded_into_the_mapping(write):
    network, kept = files.network(mapping_layers=1), []
    path = write(files.nvidia(network, change=lambda root: kept.extend(_with_classes(root))))
    embedding, whole = kept
    checkpoint = foreign_checkpoints.load(path, label=2)
    assert checkpoint.origin["label"] == 2
    mapping = stylegan2.build(checkpoint.architecture, checkpoint.state).mapping
    z = torch.randn(3, 7)
    y = embedding["weight"] @ torch.eye(5)[2] / math.sqrt(5) + embedding["bias"]
    unit = [value / value.square().mean(dim=-1, keepdim=True).sqrt() for value in (z, y.expand(3, -1))]
    linear = torch.cat(unit, dim=1) @ whole.T * (0.01 / math.sqrt(11)) + 0.01 * network.mapping.fc0.bias
    expected = math.sqrt(2) * torch.where(linear > 0, linear, 0.2 * linear)
    assert torch.allclose(mapping(z), expected, atol=1e-6)


@pytest.mark.parametrize("label", [None, -1, 5])
def test_a_conditional_checkpoint_asks_for_a_class(write, label):
    path = write(files.nvidia(files.network(), change=_with_classes))
    with pytest.raises(ValueError, match=f"knows 5 classes and label is {label}; give a label in 0…4"):
        foreign_checkpoints.load(path, label=label)


def test_a_class_of_a_network_without_classes_is_refused(write):
    with pytest.raises(ValueError, match="knows no classes, so label=1"):
        foreign_checkpoints.load(write(files.nvidia(files.network())), label=1)


def _rename(root, name):
    root["class_name"] = name
    root["state"]["_modules"] = collections.OrderedDict()


def _alias_free(root):
    synthesis = files.child(root, "synthesis")
    synthesis["_modules"] = collections.OrderedDict()
    synthesis["layer_names"] = ["L0_36_512"]


def _set(path, **values):
    return lambda root: files.child(root, path).update(values)


def _drop(path, part, name):
    return lambda root: files.child(root, path)[part].pop(name)


def _grey(root):
    parameters = files.child(root, "synthesis.b32.torgb")["_parameters"]
    for name, value in parameters.items():
        parameters[name] = torch.nn.Parameter(value[:1])


def _odd_filter(root):
    files.child(root, "synthesis.b8.conv0")["_buffers"]["resample_filter"] = torch.rand(4, 4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda root: _rename(root, "Discriminator"),
            "holds a Discriminator, not a StyleGAN2 generator; give",
        ),
        (_alias_free, "Generator with a SynthesisNetwork of StyleGAN3's alias-free kind"),
        (_set("mapping.fc1", activation="relu"), "layers differ in activation"),
        (_set("mapping.fc1", bias_gain=0.5), "layers differ in bias_gain"),
        (_set("synthesis.b8.conv0", conv_clamp=1.0), "layers differ in conv_clamp"),
        (_set("synthesis.b8.conv0", conv_clamp=[1.0]), "not built like a StyleGAN2 checkpoint"),
        (_drop("synthesis.b16.conv0.affine", "_parameters", "bias"), "b16.conv0.affine.bias .* is missing"),
        (_drop("mapping", "_modules", "fc1"), "mapping.fc2.weight|mapping.fc1"),
        (_grey, "images have 1 channels; give a checkpoint of RGB images"),
        (_odd_filter, "low-pass filters differ from layer to layer"),
    ],
)
def test_an_nvidia_pickle_of_something_else_is_one_sentence(write, change, words):
    path = write(files.nvidia(files.network(), change=change))
    with pytest.raises(ValueError, match=words) as refusal:
        foreign_checkpoints.load(path)
    assert str(refusal.value).startswith(str(path)) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda options, parts: parts["synthesis"].append(("lod", 0.0)),
            "grown progressively .* config-e or -f",
        ),
        (lambda options, parts: parts["mapping"].clear(), "no StyleGAN2 generator but Gs"),
        (lambda options, parts: options.update(nonlinearity="relu"), "nonlinearity is 'relu'"),
        (lambda options, parts: options.update(resample_kernel=None), "resample_filter=.* 2, 4, 6 or 8 taps"),
        (
            lambda options, parts: parts["mapping"].append(("LabelConcat/weight", [[0.0]])),
            "class enters before the pixel norm",
        ),
    ],
)
def test_a_tensorflow_pickle_of_something_else_is_one_sentence(write, change, words):
    with pytest.raises(ValueError, match=words):
        foreign_checkpoints.load(write(files.tensorflow(files.network(), change=change)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.update({"iwt.ll": torch.zeros(1)}), "iwt.ll belongs to no StyleGAN2"),
        (lambda weights: weights.pop("input.input"), "b4.const should be .* missing; give an intact file"),
        (lambda weights: weights.pop("convs.1.activate.bias"), "b8.conv1.bias .* missing"),
    ],
)
def test_a_rosinality_file_of_something_else_is_one_sentence(write, change, words):
    with pytest.raises(ValueError, match=words):
        foreign_checkpoints.load(write(files.rosinality(files.network(z_dim=9), change=change)))


def test_a_checkpoint_without_a_generator_says_what_it_has(tmp_path):
    weights.write_checkpoint({"step": 3, "encoder": {}}, tmp_path / "own.pt")
    with pytest.raises(
        ValueError, match="there is no StyleGAN2 generator in it, only step, encoder; give a pickle"
    ):
        foreign_checkpoints.load(tmp_path / "own.pt")
    with pytest.raises(ValueError, match="none.pkl is no file; check the path"):
        foreign_checkpoints.load(tmp_path / "none.pkl")


@pytest.mark.parametrize("layout", [files.nvidia, files.tensorflow, files.rosinality])
def test_conversion_keeps_architecture_weights_and_origin(write, tmp_path, layout):
    network = files.network(z_dim=9)
    path = write(layout(network), "original")
    converted = foreign_checkpoints.convert(path, tmp_path / "kept.safetensors")
    loaded = foreign_checkpoints.load(tmp_path / "kept.safetensors")
    _same(loaded, network)
    assert loaded.origin == converted.origin and loaded.origin["sha256"] == texts.sha256(path)
    assert all(torch.equal(value, converted.state[name]) for name, value in loaded.state.items())


def test_conversion_gives_the_same_bytes_twice_and_of_an_export_too(write, tmp_path):
    path = write(files.nvidia(files.network(synthesis="resnet")))
    targets = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for source, target in zip((path, path, targets[0]), targets, strict=True):
        foreign_checkpoints.convert(source, target)
    assert len({target.read_bytes() for target in targets}) == 1
    targets[0].rename(tmp_path / "renamed.pkl")  # told by its content
    _same(foreign_checkpoints.load(tmp_path / "renamed.pkl"), files.network(synthesis="resnet"))


def test_a_failed_conversion_leaves_the_old_file(write, tmp_path):
    target = tmp_path / "kept.safetensors"
    target.write_bytes(b"old")
    with pytest.raises(ValueError):
        foreign_checkpoints.convert(write(b"no checkpoint"), target)
    assert target.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ValueError, match="kept.pt should end in .safetensors"):
        foreign_checkpoints.convert(write(files.nvidia(files.network())), tmp_path / "kept.pt")


def _export(path, **changes):
    network = files.network()
    metadata = {
        "format": checkpoint.FORMAT,
        "architecture": network.architecture.plain(),
        "origin": {"sha256": "0"},
    }
    weights.write_safetensors(network.state_dict(), path, metadata=metadata | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "another"}, "does not say what network it holds; run `d2a convert`"),
        (
            {"architecture": files.network(synthesis="resnet").architecture.plain()},
            "b8.skip.weight .* missing",
        ),
        ({"architecture": files.network(w_dim=10).architecture.plain()}, "mapping.* should be"),
        ({"architecture": {"resolution": 32}}, "is not understood"),
        ({"architecture": 7}, "not built like"),
        ({"origin": 7}, "not built like"),
    ],
)
def test_an_export_that_does_not_fit_its_architecture_is_one_sentence(tmp_path, changes, words):
    path = tmp_path / "kept.safetensors"
    _export(path, **changes)
    with pytest.raises(ValueError, match=words) as refusal:
        foreign_checkpoints.load(path)
    assert str(refusal.value).startswith(str(path))


def test_an_export_has_no_classes_any_more_and_shows_damage(tmp_path):
    path = tmp_path / "kept.safetensors"
    _export(path)
    with pytest.raises(ValueError, match="no classes any more"):
        foreign_checkpoints.load(path, label=0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="bytes instead of .*; copy or convert the checkpoint again"):
        foreign_checkpoints.load(path)


def test_metadata_is_plain_json_for_other_programs(tmp_path):
    from safetensors import safe_open

    _export(tmp_path / "kept.safetensors")
    with safe_open(tmp_path / "kept.safetensors", framework="np") as file:
        metadata = json.loads(file.metadata()["d2animator"])
    assert metadata["architecture"]["channels"] == [8, 8, 6, 5]
