from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from directions_of_faces import OPTIONS, made_faces
from sklearn.decomposition import PCA

from d2a_core.directions import candidates, directions


@pytest.fixture(scope="module")
def faces():
    return made_faces()


def _cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def test_a_classifier_of_an_attribute_points_along_the_latent_that_makes_it(faces):
    found = candidates.interfacegan(faces, share=0.2, seed=0)
    by_name = dict(zip(found.name, found.vector, strict=True))
    assert _cosine(by_name["boundary mouth_opening"], np.eye(24)[0]) > 0.9
    assert _cosine(by_name["boundary yaw"], np.eye(24)[1]) > 0.9
    assert (np.diff(found.share) <= 0).all() and found.share[0] > 0.85  # accuracy on the faces in between


def test_a_classifier_without_faces_on_a_side_is_one_sentence(faces):
    with pytest.raises(ValueError, match="svm_share 0.001 of 600 faces"):
        candidates.interfacegan(faces, share=0.001, seed=0)


def test_principal_components_come_in_order_and_one_deviation_long():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    w = rng.normal(size=(4000, 6)) * [9, 5, 3, 1, 1, 1] @ axes
    found = candidates.ganspace(w, count=3)
    for vector, axis, length in zip(found.vector, axes, (9, 5, 3), strict=False):
        assert abs(_cosine(vector, axis)) > 0.99
        assert np.linalg.norm(vector) == pytest.approx(length, rel=0.05)
    assert found.share == pytest.approx(PCA(3).fit(w).explained_variance_ratio_, abs=1e-5)


def test_sefa_finds_the_axis_that_changes_the_styles_most_whatever_their_size():
    strong, weak = np.array([[3.0, 0, 0, 0], [0.1, 0, 0, 0], [1.0, 0, 0, 0]]), np.array([[0, 50.0, 0, 0]])
    w = np.random.default_rng(0).normal(size=(5000, 4)) * 2
    found = candidates.sefa(np.concatenate((strong, weak)), w, count=2)
    assert np.abs(found.vector[0]) == pytest.approx([2, 0, 0, 0], abs=0.1)
    assert found.share == pytest.approx([0.75, 0.25])  # rows at unit length: three against one


def test_all_methods_give_directions_that_distil_takes(faces):
    network = SimpleNamespace(style_weights=lambda layers: torch.eye(24).repeat(layers, 1))
    clusterings = {"all-k2": {"centroid": np.eye(24, dtype=np.float32)[:2]}}
    for method in candidates.METHODS:
        options = replace(OPTIONS, method=method)
        found = candidates.find(clusterings, faces, network, options)
        kept = directions.distil(found, faces, np.zeros(24, np.float32), options)
        assert kept.arrays["vector"].shape[1:] == (8, 24), method
        assert set(kept.columns["part"]) == ({"all"} if method == "clusters" else {method})
    with pytest.raises(ValueError, match="directions.method is 'closed'; choose one of clusters"):
        candidates.find(clusterings, faces, network, replace(OPTIONS, method="closed"))
