from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from directions_of_faces import OPTIONS, made_faces
from sklearn.decomposition import PCA

from d2a_core.directions import candidates, directions
from d2a_core.directions.candidates import Centroids, Known
from d2a_core.directions.samples import Samples


@pytest.fixture(scope="module")
def faces():
    return made_faces()


def _cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def of_w(w):
    """Samples with nothing in them but w."""
    return Samples(np.arange(len(w)), w, None, None, None)


def styles(weights):
    return SimpleNamespace(style_weights=lambda layers: torch.from_numpy(weights))


def test_few_clusters_give_every_pairwise_difference():
    centroid = np.eye(4, 6, dtype=np.float32)
    found = candidates.collect(Centroids("mouth", centroid), ica_above=6, seed=0)
    assert (found.part, found.count, len(found.vector)) == ("mouth", 4, 4 * 3 // 2)
    assert found.name[0] == "pair 0-1"
    assert found.vector[0].tolist() == (centroid[1] - centroid[0]).tolist()
    assert found.share.sum() == pytest.approx(1)


def test_many_clusters_give_at_most_k_minus_1_components_in_their_span_and_repeat():
    rng = np.random.default_rng(0)
    centroid = (rng.laplace(size=(8, 3)) @ rng.normal(size=(3, 16))).astype(np.float32)
    found = candidates.collect(Centroids("all", centroid), ica_above=6, seed=0)
    assert len(found.vector) <= 7 and found.count == 8
    span = np.linalg.svd(centroid - centroid.mean(axis=0))[2][:3]
    strong = found.vector[np.linalg.norm(found.vector, axis=1) > 1e-2]
    assert strong @ span.T @ span == pytest.approx(strong, abs=1e-3)
    again = candidates.collect(Centroids("all", centroid), ica_above=6, seed=0)
    assert np.array_equal(again.vector, found.vector)


def test_a_classifier_of_an_attribute_points_along_the_latent_that_makes_it(faces):
    (found,) = candidates.interfacegan(Known(faces, None), replace(OPTIONS, svm_share=0.2))
    by_name = dict(zip(found.name, found.vector, strict=True))
    assert _cosine(by_name["boundary mouth_opening"], np.eye(24)[0]) > 0.9
    assert _cosine(by_name["boundary yaw"], np.eye(24)[1]) > 0.9
    assert (np.diff(found.share) <= 0).all() and found.share[0] > 0.85  # accuracy on the faces in between


def test_a_classifier_without_faces_on_a_side_is_one_sentence(faces):
    with pytest.raises(ValueError, match="svm_share 0.001 of 600 faces"):
        candidates.interfacegan(Known(faces, None), replace(OPTIONS, svm_share=0.001))


def test_principal_components_come_in_order_and_one_deviation_long():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    w = rng.normal(size=(4000, 6)) * [9, 5, 3, 1, 1, 1] @ axes
    (found,) = candidates.ganspace(Known(of_w(w), None), replace(OPTIONS, components=3))
    for vector, axis, length in zip(found.vector, axes, (9, 5, 3), strict=False):
        assert abs(_cosine(vector, axis)) > 0.99
        assert np.linalg.norm(vector) == pytest.approx(length, rel=0.05)
    assert found.share == pytest.approx(PCA(3).fit(w).explained_variance_ratio_, abs=1e-5)


def test_sefa_finds_the_axis_that_changes_the_styles_most_whatever_their_size():
    strong, weak = np.array([[3.0, 0, 0, 0], [0.1, 0, 0, 0], [1.0, 0, 0, 0]]), np.array([[0, 50.0, 0, 0]])
    w = np.random.default_rng(0).normal(size=(5000, 4)) * 2
    network = styles(np.concatenate((strong, weak)))
    (found,) = candidates.sefa(Known(of_w(w), network), replace(OPTIONS, components=2))
    assert np.abs(found.vector[0]) == pytest.approx([2, 0, 0, 0], abs=0.1)
    assert found.share == pytest.approx([0.75, 0.25])  # rows at unit length: three against one


@pytest.mark.parametrize("method", candidates.METHODS)
def test_every_method_gives_directions_that_distil_takes(faces, method):
    network = styles(np.tile(np.eye(24, dtype=np.float32), (8, 1)))
    clustered = candidates.known(faces, network, ["all"], [{"centroid": np.eye(24, dtype=np.float32)[:2]}])
    options = replace(OPTIONS, method=method)
    found = candidates.find(clustered, options)
    kept = directions.distil(found, faces, np.zeros(24, np.float32), options)
    assert kept.arrays["vector"].shape[1:] == (8, 24)
    part, count = ("all", 2) if method == "clusters" else (method, None)
    assert set(kept.columns["part"]) == {part}
    assert set(kept.columns["k"].to_pylist()) == {count} and kept.columns["k"].type == "int64"


def test_an_unknown_method_is_one_sentence(faces):
    with pytest.raises(
        ValueError, match="directions.method is 'closed'; choose one of clusters, interfacegan"
    ):
        candidates.find(Known(faces, None), replace(OPTIONS, method="closed"))
