from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch

from d2a_core.evaluation import figures, inception, realism
from d2a_core.evaluation.protocols import Pair

PAIRS = [
    Pair(
        number,
        protocol,
        "held-out",
        "s00000",
        "t00000",
        "faces/held-out/s00000.png",
        "faces/held-out/t00000.png",
    )
    for number, protocol in enumerate(["cross-identity"] * 3 + ["self-driving"] * 2)
]


def _features(count, dim, seed, shift=0.0):
    return (np.random.default_rng(seed).standard_normal((count, dim)) + shift).astype(np.float32)


def _rotated(angle, *variances):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag(variances) @ turn.T


def test_distance_of_diagonal_gaussians_is_the_closed_form():
    first, second = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 16.0])
    shift = np.array([1.0, 2.0, 2.0])
    found = realism.frechet_distance(np.zeros(3), np.diag(first), shift, np.diag(second))
    assert found == pytest.approx(9 + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()) == 9 + 3


def test_distance_at_equal_covariances_is_that_of_the_means_squared():
    covariance = _rotated(0.3, 5.0, 0.1)
    assert realism.frechet_distance(
        np.zeros(2), covariance, np.array([3.0, 4.0]), covariance
    ) == pytest.approx(25)
    assert realism.frechet_distance(np.ones(2), covariance, np.ones(2), covariance) == pytest.approx(
        0, abs=1e-9
    )


def test_distance_of_rotated_gaussians_is_that_of_the_matrix_root():
    first, second = _rotated(0.4, 7.0, 0.5), _rotated(1.3, 2.0, 3.0)
    assert np.abs(first @ second - second @ first).max() > 1  # they do not commute
    expected = np.trace(first + second - 2 * scipy.linalg.sqrtm(first @ second).real)
    found = realism.frechet_distance(np.zeros(2), first, np.zeros(2), second)
    assert found == pytest.approx(expected, rel=1e-9)
    assert realism.frechet_distance(np.zeros(2), second, np.zeros(2), first) == pytest.approx(found)


def test_moments_are_the_mean_and_the_covariance_over_several_blocks():
    features = _features(
        2 * realism.BLOCK + 7, 5, 0, shift=100.0
    )  # far from 0, where sums of squares lose digits
    mean, covariance = realism.moments(features)
    assert mean == pytest.approx(features.astype(float).mean(axis=0), rel=1e-12)
    assert covariance == pytest.approx(np.cov(features.astype(float), rowvar=False), abs=1e-12)


def test_fid_equals_that_of_torch_fidelity():
    first, second = _features(300, 64, 1), _features(250, 64, 2, shift=0.3) * np.float32(1.5)
    reference = inception.fidelity_module("metric_fid")
    statistics = [reference.fid_features_to_statistics(torch.from_numpy(each)) for each in (first, second)]
    expected = reference.fid_statistics_to_metric(*statistics, False)[reference.KEY_METRIC_FID]
    assert realism.fid(first, second) == pytest.approx(expected, rel=1e-5)


def test_fid_of_fewer_images_than_dimensions_is_finite_and_not_negative():
    first, second = _features(20, 100, 3), _features(30, 100, 4)
    reference = inception.fidelity_module("metric_fid")
    statistics = [reference.fid_features_to_statistics(torch.from_numpy(each)) for each in (first, second)]
    expected = reference.fid_statistics_to_metric(*statistics, False)[reference.KEY_METRIC_FID]
    assert realism.fid(first, second) == pytest.approx(expected, rel=1e-4)
    assert 0 <= realism.fid(first, first) < 1e-3
    assert np.isfinite(realism.fid(first[:2], first[2:4]))


def test_kid_equals_that_of_torch_fidelity(monkeypatch):
    monkeypatch.setattr(realism, "KID_SUBSETS", 5)
    first, second = _features(1200, 32, 5), _features(1100, 32, 6, shift=0.2)
    reference = inception.fidelity_module("metric_kid")
    tensors = [torch.from_numpy(each) for each in (first, second)]
    expected = reference.kid_features_to_metric(*tensors, kid_subsets=5, rng_seed=7, verbose=False)
    mean, deviation = realism.kid(first, second, 7)
    assert mean == pytest.approx(expected[reference.KEY_METRIC_KID_MEAN], rel=1e-3)
    assert deviation == pytest.approx(expected[reference.KEY_METRIC_KID_STD], rel=1e-3)


def test_kid_of_few_images_is_the_estimate_over_all_of_them():
    first, second = _features(5, 3, 8).astype(float), _features(5, 3, 9).astype(float)

    def kernel(x, y):
        return (x @ y.T / 3 + 1) ** 3

    inner = sum((kernel(x, x).sum() - np.trace(kernel(x, x))) / 20 for x in (first, second))
    mean, deviation = realism.kid(first, second, 0)
    assert mean == pytest.approx(inner - 2 * kernel(first, second).mean())
    assert deviation == pytest.approx(0, abs=1e-9)


def test_kid_of_one_distribution_is_near_zero_on_average():
    values = [realism.kid(_features(50, 8, 10 + i), _features(50, 8, 90 + i), 0)[0] for i in range(40)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_inception_score_of_one_answer_for_all_is_1():
    assert realism.inception_score(np.zeros((40, 7)), 0) == pytest.approx((1, 0))


def test_inception_score_of_k_clear_classes_is_k():
    logits = np.tile(100 * np.eye(6), (5, 1))
    assert realism.inception_score(logits, 0, splits=1)[0] == pytest.approx(6)


def test_inception_score_equals_that_of_torch_fidelity():
    logits = 3 * _features(95, 12, 11)
    reference = inception.fidelity_module("metric_isc")
    expected = reference.isc_features_to_metric(torch.from_numpy(logits), 10, True, 5)
    score, deviation = realism.inception_score(logits, 5)
    assert score == pytest.approx(expected[reference.KEY_METRIC_ISC_MEAN], rel=1e-6)
    assert deviation == pytest.approx(expected[reference.KEY_METRIC_ISC_STD], rel=1e-6)


def test_comparing_gives_every_figure_and_says_what_few_images_mean():
    sets = (_features(30, 64, 12), _features(30, 9, 13), _features(40, 64, 14), 2 * _features(40, 9, 15))
    found = realism.compare(sets[:2], sets[2:], 3)
    assert found["fid"] == realism.fid(sets[0], sets[2])
    assert (found["kid"], found["kid_std"]) == realism.kid(sets[0], sets[2], 3)
    assert (found["is"], found["is_std"]) == realism.inception_score(sets[1], 3)
    assert found["is_gap"] == abs(found["is"] - realism.inception_score(sets[3], 3)[0]) > 0
    assert (found["images"], found["reference_images"]) == (30, 40)
    assert "rank-deficient" in found["note"] and "KID over subsets of 30 images" in found["note"]
    assert realism.compare(sets[:2], sets[2:], 3) == found
    assert found.keys() == {
        *("fid", "kid", "kid_std", "is", "is_std", "is_gap", "images", "reference_images", "note")
    }


def test_comparing_of_a_set_against_itself_has_no_gap_and_says_that_kid_has_no_spread():
    features, logits = _features(30, 8, 16), _features(30, 9, 17)
    found = realism.compare((features, logits), (features, logits), 0)
    assert found["is_gap"] == 0 and found["fid"] == pytest.approx(0, abs=1e-6)
    assert "its deviation says nothing" in found["note"] and "rank-deficient" not in found["note"]


def test_comparing_of_many_images_needs_no_note(monkeypatch):
    monkeypatch.setattr(realism, "KID_SUBSETS", 1)
    features, logits = _features(1001, 4, 18), _features(1001, 3, 19)
    assert realism.compare((features, logits), (features[::-1], logits), 0)["note"] == ""


def test_comparing_refuses_a_single_image():
    features, logits = _features(3, 4, 20), _features(3, 5, 21)
    with pytest.raises(ValueError, match="1 results and 3 reference pictures; give at least two of each"):
        realism.compare((features[:1], logits[:1]), (features, logits), 0)


def _measure(weights, monkeypatch, missing=()):
    """The features of a picture are its mean and its deviation; those of the references lie around 5."""

    def features(images, network, progress=None):
        values = [[image.mean(), image.std()] for image in images]
        return np.array(values, np.float32).reshape(-1, 2), np.eye(4, dtype=np.float32)[: len(values)]

    monkeypatch.setattr(inception, "load", lambda path, device: path)
    monkeypatch.setattr(inception, "features", features)

    def find(pair, passes):
        return None if pair.number in missing else np.full((4, 4, 3), 5 * passes + pair.number, np.uint8)

    return realism.measure(
        PAIRS,
        {"ours": find},
        lambda name: iter([np.full((4, 4, 3), value, np.uint8) for value in (0, 1, 2)]),
        weights,
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


def test_the_columns_are_those_of_the_figures(monkeypatch):
    columns = _measure("there is no file w.pth", monkeypatch)
    assert tuple(realism.NOTHING) == figures.REALISM_COLUMNS and set(realism.NOTHING) < set(columns)
