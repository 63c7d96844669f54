import numpy as np
import pyarrow
import pytest
import torch
from tiny_project import ROOT

from d2a_core import training
from d2a_core.config import merged, read
from d2a_core.directions import directions
from d2a_core.fan import bundle, fan, image_space, origins
from d2a_core.fan.network import Architecture, Fan
from d2a_core.generator.latent_prior import LatentPrior
from d2a_core.inversion import encoder_network
from d2a_core.store import arrays, lineage, tables, weights
from d2a_core.store.assets import ASSETS

DIM, LAYERS = 96, 4
MADE = {"generator": "faces", "generator_sha256": "ab" * 32, "detector": "facemesh"}


def _directions(count=3, groups=2):
    rng = np.random.default_rng(0)
    vector = np.repeat(rng.normal(size=(count, 1, DIM)).astype(np.float32), LAYERS, axis=1)
    return {"vector": vector, "layer_groups": np.array([groups]), "pose": np.array([True, False, False])}


def _fan(store):
    """A conditioned FAN with chance weights, and the prior of a slanted W."""
    sizes = Architecture(98, LAYERS, 6, 16, 1.5, 2, width=64, depth=1, w_dim=DIM)
    split = directions.basis(store)
    axes = torch.linalg.qr(torch.randn(DIM, DIM))[0]
    prior = LatentPrior(torch.randn(DIM), axes, torch.linspace(0.1, 2, DIM))
    options = image_space.Options(1, 1, 1, 1e-3, 0.0, 64, 1, True, 1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, seed=0)
    run = image_space.start(Fan(sizes, torch.from_numpy(split)), prior, options, device="cpu")
    for parameter in run.network.parameters():
        torch.nn.init.normal_(parameter)
    return _packed(run.network)


def _packed(network):
    run = training.Training(network, torch.optim.SGD(network.parameters(), 1.0))
    run.best = network.state_dict()
    return training.checkpoint(run, {"stage": "fan", **MADE})


@pytest.fixture
def paths(tmp_path):
    """Parts of a bundle as the stages leave them."""
    torch.manual_seed(0)
    store = _directions()
    shape = encoder_network.Architecture(8, 12, 16, 0.0, DIM)
    stores = {
        "draft": {"size": np.array([256]), "weight": np.ones((12, 7), np.float32)},
        "reference": {"points": np.ones((1, 98, 2), np.float32), "strangers": np.eye(3, dtype=np.float32)},
        "directions": store,
    }
    found = {name: tmp_path / f"{name}.zarr" for name in stores}
    for name, content in stores.items():
        arrays.write_zarr(found[name], content, attributes={"stage": name, **MADE})
    networks = {"fan": _fan(store), "encoder": _packed(encoder_network.Encoder(shape))}
    for name, state in networks.items():
        found[name] = tmp_path / f"{name}.pt"
        weights.write_checkpoint(state, found[name])
    found["catalogue"] = tmp_path / "catalogue.parquet"
    columns = {
        "direction": [0, 1, 2],
        "part": ["eyes", "all", "mouth"],
        "smile": pyarrow.array([0.5, 1, 2], "f4"),
    }
    tables.write_parquet(columns, found["catalogue"], metadata=MADE)
    return found


def _through(paths, folder):
    """The parts after packing and unpacking them."""
    bundle.write(bundle.gather(paths), folder / "b.safetensors", {"stage": "bundle"})
    again = {name: folder / "unpacked" / path.name for name, path in paths.items()}
    bundle.scatter(bundle.read(folder / "b.safetensors"), again, {"bundle_sha256": "cd" * 32})
    return again


def test_what_is_unpacked_is_what_was_packed_but_for_the_rounding(paths, tmp_path):
    again = _through(paths, tmp_path)
    for name in ("draft", "reference"):
        before, after = (arrays.read_zarr(found[name]) for found in (paths, again))
        assert before.keys() == after.keys()
        for key in before:
            np.testing.assert_array_equal(before[key], after[key])
    before, after = (arrays.read_zarr(found["directions"])["vector"] for found in (paths, again))
    np.testing.assert_allclose(after, before, rtol=2**-11)  # half precision has eleven bits
    one, other = (tables.read_parquet(found["catalogue"]) for found in (paths, again))
    assert one.schema.remove_metadata() == other.schema.remove_metadata()
    assert one.to_pydict() == other.to_pydict()
    for name in ("fan", "encoder"):
        before, after = (weights.read_checkpoint(found[name]) for found in (paths, again))
        assert before["architecture"] == after["architecture"]
        assert before["state"].keys() == after["state"].keys()
        for key, value in before["state"].items():
            error = (after["state"][key] - value).abs()
            if key == "base.vector":
                torch.testing.assert_close(after["state"][key], value, rtol=2**-11, atol=0)
            elif value.ndim < 2 or value.numel() < 4096:
                assert not error.any(), key
            else:  # a byte has 127 steps on either side of zero: half of one, or what half precision loses
                step = value.flatten(1).abs().amax(dim=1) / 127
                assert (error.flatten(1) <= 0.5001 * step[:, None]).all(), key


def test_a_fan_decides_as_it_did_before(paths, tmp_path):
    again = _through(paths, tmp_path)
    points, code = torch.rand(2, 5, 98, 2), torch.randn(5, DIM)
    steps = []
    for found in (paths, again):
        network = fan.load(weights.read_checkpoint(found["fan"]), device="cpu")
        with torch.no_grad():
            steps.append(network(*points, code))
    before, after = steps
    assert before.norm() > 1
    assert (after - before).norm() < 0.03 * before.norm()


def test_the_provenance_of_what_is_unpacked_names_the_bundle_and_keeps_its_own(paths, tmp_path):
    again = _through(paths, tmp_path)
    for name in paths:
        facts = lineage.facts(again[name])
        assert facts["bundle_sha256"] == "cd" * 32
        assert facts["generator_sha256"] == "ab" * 32


def test_a_bundle_is_smaller_than_half_of_what_it_holds(paths, tmp_path):
    _through(paths, tmp_path)
    held = sum(paths[name].stat().st_size for name in ("fan", "encoder"))
    assert (tmp_path / "b.safetensors").stat().st_size < held / 2


def test_parts_of_two_generators_are_not_packed_together(paths):
    store = arrays.read_zarr(paths["draft"])
    arrays.write_zarr(paths["draft"], store, attributes={**MADE, "generator_sha256": "ef" * 32})
    with pytest.raises(ValueError, match="was made with the generator faces"):
        bundle.gather(paths)


def test_a_bundle_of_another_generator_or_detector_is_refused_with_both_names(paths, tmp_path):
    bundle.write(bundle.gather(paths), tmp_path / "b.safetensors", {})
    found = bundle.read(tmp_path / "b.safetensors")
    bundle.check(found, "b", generator_sha256="ab" * 32, detector="facemesh")
    with pytest.raises(ValueError, match=r"b was distilled from the generator faces \(abab.*not from .*efef"):
        bundle.check(found, "b", generator_sha256="ef" * 32, detector="facemesh")
    with pytest.raises(ValueError, match="with the landmark detector facemesh, not with face-alignment"):
        bundle.check(found, "b", generator_sha256="ab" * 32, detector="face-alignment")


def test_a_file_that_is_no_bundle_and_one_of_tomorrow_are_named(paths, tmp_path, monkeypatch):
    weights.write_safetensors({"x": torch.zeros(1)}, tmp_path / "x.safetensors", metadata={})
    with pytest.raises(ValueError, match="x.safetensors is no bundle of d2animator"):
        bundle.read(tmp_path / "x.safetensors")
    monkeypatch.setattr(bundle, "FORMAT", 99)
    bundle.write(bundle.gather(paths), tmp_path / "b.safetensors", {})
    monkeypatch.undo()
    with pytest.raises(ValueError, match="by a later version"):
        bundle.read(tmp_path / "b.safetensors")


def test_the_bundle_of_the_project_is_of_its_generator_and_of_the_config_that_makes_it():
    path = ROOT / origins.BUNDLE
    assert path.stat().st_size <= 16_000_000
    found = bundle.read(path)
    bundle.check(found, path, generator_sha256=ASSETS[origins.GENERATOR].sha256, detector="facemesh")
    config = merged(read(ROOT / "config.yaml"), read(ROOT / "profiles" / "bundle" / "config.yaml"))
    _, metadata = weights.read_safetensors(path)
    assert metadata["config"] == {section: config[section] for section in origins.SHAPING}
    network = fan.load(found.networks["fan"], device="cpu")
    points = torch.from_numpy(found.stores["reference"]["points"])
    with torch.no_grad():
        still = network(points, points, torch.from_numpy(found.stores["directions"]["mean_w"])[None])
        moved = network(points, points + 0.02, torch.from_numpy(found.stores["directions"]["mean_w"])[None])
    assert 3 * still.norm() < moved.norm()  # who is asked for nothing hardly moves
