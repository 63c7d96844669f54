import logging
import pickle
import sys

import numpy as np
import pytest
import torch

from d2a_core import runtime
from d2a_core.evaluation import inception


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random weights with the names and shapes of the true ones."""
    torch.manual_seed(0)
    reference = inception.fidelity_module("feature_extractor_inceptionv3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(reference.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = reference.FeatureExtractorInceptionV3("random", ["2048"])
    state = {
        name: 6**0.5 * value if value.ndim == 4 else value  # from PyTorch's start to one that fades no signal
        for name, value in network.state_dict().items()
    }
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def network(weights):
    return inception.load(weights, "cpu")


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(3)]


def test_features_equal_those_of_torch_fidelity(weights, network, images):
    reference = inception.fidelity_module("feature_extractor_inceptionv3").FeatureExtractorInceptionV3(
        "reference", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
    )
    expected = reference(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
    found = inception.features(images, network)
    assert [each.shape for each in found] == [(3, 2048), (3, 1008)]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float32
        assert ours == pytest.approx(theirs.numpy(), rel=1e-4, abs=1e-5)
    assert np.abs(found[0] - found[0][0]).max() > 1e-2  # the images differ, and so do their features


def test_features_do_not_depend_on_the_batch_and_progress_counts_images(network, images, monkeypatch):
    whole = inception.features(images, network)
    monkeypatch.setattr(inception, "BATCH", 2)
    progress = runtime.Progress(logging.getLogger("d2a"), "realism", 4)
    other = np.zeros((30, 30, 3), np.uint8)
    parts = inception.features(iter([*images, other]), network, progress)
    assert progress.done == 4
    for ours, theirs in zip(parts, whole, strict=True):
        assert ours[:3] == pytest.approx(theirs, rel=1e-4, abs=1e-5)


def test_at_most_one_batch_of_images_is_in_memory(network, images, monkeypatch):
    monkeypatch.setattr(inception, "BATCH", 2)
    sizes = [len(batch) for batch in inception._batches([*images, *images[:2], images[0][:40]])]
    assert sizes == [2, 2, 1, 1]


def test_features_of_no_images_are_empty(network):
    assert [each.shape for each in inception.features([], network)] == [(0, 2048), (0, 1008)]


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the file ran its code')",))


@pytest.mark.parametrize("kind", ["missing", "text", "code", "list", "names", "shapes"])
def test_other_files_are_refused_in_one_sentence_without_running_them(weights, tmp_path, kind):
    path = tmp_path / "other.pth"
    if kind == "text":
        path.write_text("<html>not found</html>")
    elif kind == "code":
        path.write_bytes(pickle.dumps(Payload(), protocol=2))
    elif kind == "list":
        torch.save([1, 2], path)
    elif kind == "names":
        torch.save({"conv.weight": torch.zeros(2)}, path)
    elif kind == "shapes":
        state = torch.load(weights, weights_only=True, mmap=True)
        torch.save({name: torch.zeros(1) for name in state}, path)
    with pytest.raises(
        ValueError, match="other.pth is missing or does not hold .*; put there what https"
    ) as caught:
        inception.load(path, "cpu")
    assert "\n" not in str(caught.value)


def test_module_is_the_one_that_python_imports():
    assert inception.fidelity_module("metric_kid") is sys.modules["torch_fidelity.metric_kid"]
