import pickle
import sys

import genuine_checkpoints as genuine
import numpy as np
import pytest
import torch

from d2a_core.generator.unpickling import machine


@pytest.fixture
def load(tmp_path):
    """Load the bytes of a file, and hold that nothing was imported for it."""

    def load(data):
        path = tmp_path / "checkpoint"
        path.write_bytes(data)
        known = {name for name in sys.modules if not name.startswith("encodings.")}
        value = machine.load(path)
        assert {name for name in sys.modules if not name.startswith("encodings.")} == known
        return value

    return load


def assert_tensors_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("protocol", genuine.PROTOCOLS)
def test_persistent_modules_come_back_as_records_with_their_facts(load, protocol):
    snapshot = load(genuine.nvidia(protocol))
    assert list(snapshot) == ["G", "G_ema", "augment_pipe"]
    record = snapshot["G_ema"]
    assert (record.module, record.name) == ("torch_utils.persistence", "_reconstruct_persistent_obj")
    (facts,) = record.args
    assert (facts["class_name"], facts["version"], facts["module_src"]) == ("Generator", 6, genuine.SOURCE)
    options = facts["state"]["_init_kwargs"]
    assert options == {"num_layers": 8, "lr": 0.5, "noise": None} and type(options) is dict
    layer = facts["state"]["_modules"]["fc"].args[0]
    assert layer["class_name"] == "FullyConnectedLayer"
    assert_tensors_equal(layer["state"]["_parameters"], genuine.weights())
    assert layer["state"]["_non_persistent_buffers_set"] == {"gain"}
    assert layer["state"]["_buffers"]["gain"].item() == 1


@pytest.mark.parametrize("protocol", genuine.PROTOCOLS)
def test_networks_of_tensorflow_come_back_as_records_with_their_arrays(load, protocol):
    networks = load(genuine.tensorflow(protocol))
    assert [network.state["name"] for network in networks] == ["G", "D", "Gs"]
    assert {(network.module, network.name) for network in networks} == {("dnnlib.tflib.network", "Network")}
    state = networks[2].state
    assert state["static_kwargs"] == {"resolution": 64, "fmap_base": 16384}
    for variables in (state["variables"], state["components"]["mapping"].state["variables"]):
        for (name, array), (expected_name, expected) in zip(variables, genuine.arrays(), strict=True):
            assert name == expected_name
            np.testing.assert_array_equal(array, expected)
            assert np.asarray(array).dtype.kind == expected.dtype.kind


@pytest.mark.parametrize("archive", [True, False])
def test_pytorch_files_come_back_with_their_tensors(load, archive):
    state = load(genuine.rosinality(archive=archive))
    assert_tensors_equal({name: state[name] for name in genuine.weights()}, genuine.weights())
    assert state["latent_avg"].tolist() == [1, 2, 3]
    assert state["g_ema"]["0.weight"].tolist() == [[0.25] * 3] * 2
    assert (state["args"].name, state["args"].state) == ("Namespace", {"size": 64, "path": "x"})
    assert state["size"] == (1, 2)
    assert (state["device"].name, state["device"].args) == ("device", ("cpu",))


@pytest.mark.parametrize("archive", [True, False])
def test_tensors_that_share_data_still_do(load, archive):
    state = load(genuine.rosinality(archive=archive))
    state["same"][1] = -5
    assert state["latent_avg"][0] == -5


def test_tensors_with_attributes_are_read_without_them(load):
    with_attribute = torch.arange(3.0)
    with_attribute.note = "lost"
    assert load(pickle.dumps([with_attribute]))[0].tolist() == [0, 1, 2]


def test_arrays_of_text_or_objects_are_refused(load):
    for array in (np.array(["a"]), np.array([{}], dtype=object)):
        with pytest.raises(ValueError, match="array that is not of numbers"):
            load(pickle.dumps(array))


def test_whole_modules_stay_records(load):
    record = load(pickle.dumps(torch.nn.Linear(2, 3)))
    assert record.name == "Linear" and record.state["_parameters"]["weight"].shape == (3, 2)


def test_records_cannot_be_changed():
    with pytest.raises(AttributeError):
        machine.Record("os", "system").name = "x"


@pytest.mark.parametrize("what", ["missing", "folder", "empty", "text"])
def test_what_is_no_checkpoint_is_refused_with_its_name(tmp_path, what):
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what != "missing":
        path.write_bytes(b"<!DOCTYPE html>" if what == "text" else b"")
    with pytest.raises(ValueError, match=f"^{path} [^\n]+; [^\n]+$"):
        machine.load(path)
