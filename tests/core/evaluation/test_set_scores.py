from pathlib import Path

import numpy as np
import pytest

from d2a_core.evaluation import inception, set_scores

PAIRS = [
    {"pair": number, "protocol": protocol, "dataset": "held-out", "source_image": "faces/held-out/s00000.png"}
    for number, protocol in enumerate(["cross-identity"] * 3 + ["self-driving"] * 2)
]


def _measure(weights, monkeypatch, missing=()):
    """The features of a picture are its mean and its deviation; those of the references lie around 5."""

    def features(images, network, progress=None):
        values = [[image.mean(), image.std()] for image in images]
        return np.array(values, np.float32).reshape(-1, 2), np.eye(4, dtype=np.float32)[: len(values)]

    monkeypatch.setattr(inception, "load", lambda path, device: path)
    monkeypatch.setattr(inception, "features", features)

    def find(pair, passes):
        return None if pair["pair"] in missing else np.full((4, 4, 3), 5 * passes + pair["pair"], np.uint8)

    return set_scores.measure(
        PAIRS,
        find,
        lambda name: iter([np.full((4, 4, 3), value, np.uint8) for value in (0, 1, 2)]),
        weights,
        method="ours",
        passes=[0, 1],
        device="cpu",
    )


def test_each_pass_and_protocol_is_compared_with_the_references(monkeypatch):
    columns = _measure(Path("weights.pth"), monkeypatch)
    assert columns["passes"] == [0, 0, 1, 1]
    assert columns["protocol"] == ["cross-identity", "self-driving"] * 2
    assert columns["images"] == [3, 2, 3, 2] and columns["reference_images"] == [3] * 4
    assert columns["fid"][0] == pytest.approx(0, abs=1e-6)  # the same pictures
    assert columns["fid"][2] == pytest.approx(25, rel=1e-5)  # the same spread, five further


def test_without_weights_the_columns_say_why_and_nothing_fails(monkeypatch):
    columns = _measure("there is no file w.pth for inception; correct its path (details)", monkeypatch)
    assert np.isnan(columns["fid"]).all() and np.isnan(columns["is"]).all()
    assert set(columns["note"]) == {
        "No FID, KID and IS: there is no file w.pth for inception; correct its path."
    }


def test_too_few_pictures_are_no_distribution(monkeypatch):
    columns = _measure(Path("weights.pth"), monkeypatch, missing=(3,))
    assert np.isnan(columns["fid"][1]) and "1 pictures make no distribution" in columns["note"][1]
    assert not np.isnan(columns["fid"][0])
