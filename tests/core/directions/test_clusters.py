import numpy as np
import pytest

from d2a_core.directions import clusters
from d2a_core.directions.samples import Samples
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98


def test_clusters_of_two_separate_groups_have_their_means_in_w():
    features = np.array([[0.0], [0.1], [10.0], [10.1], [10.2]])
    w = np.arange(10, dtype=np.float32).reshape(5, 2)
    found = clusters.cluster(features, w, k=2, restarts=2, seed=0)
    low, high = found.cluster[0], found.cluster[2]
    assert found.cluster.tolist() == [low, low, high, high, high]
    assert found.centroid[low].tolist() == w[:2].mean(axis=0).tolist()
    assert found.centroid[high].tolist() == w[2:].mean(axis=0).tolist()
    assert found.size[[low, high]].tolist() == [2, 3]


def test_fewer_faces_than_clusters_is_one_sentence():
    with pytest.raises(ValueError, match="2 faces cannot form 3 clusters"):
        clusters.cluster(np.zeros((2, 1)), np.zeros((2, 4)), k=3, restarts=1, seed=0)


def _faces(points, canonical, angles=None):
    count = len(points)
    angles = np.zeros((count, 3)) if angles is None else angles
    return Samples(np.arange(count), np.zeros((count, 4)), points, canonical, angles)


def test_part_features_ignore_where_the_part_lies_but_not_its_shape():
    face = template_of(WFLW98)[:, :2]
    canonical = np.stack((face, face + [0.2, 0.1], face * [1.1, 1.0]))
    mouth = clusters.features(_faces(canonical, canonical), part="mouth")
    assert mouth[0] == pytest.approx(mouth[1], abs=1e-6)
    assert np.abs(mouth[0] - mouth[2]).max() > 0.02


def test_part_features_keep_no_trace_of_the_pose():
    rng = np.random.default_rng(0)
    angles = rng.normal(size=(300, 3)) * 15
    opening = rng.normal(size=300)
    canonical = np.repeat(template_of(WFLW98)[None, :, :2], 300, axis=0)
    canonical[:, 93:96, 1] += 0.05 * opening[:, None] + 0.004 * angles[:, :1]
    mouth = clusters.features(_faces(canonical, canonical, angles), part="mouth")
    moved = mouth[:, 2 * 18 + 1]  # y of point 94
    assert abs(np.corrcoef(moved, angles[:, 0])[0, 1]) < 0.02
    assert np.corrcoef(moved, opening)[0, 1] > 0.97


def test_all_is_the_raw_points_of_the_paper():
    points = np.random.default_rng(0).random((3, 98, 2))
    features = clusters.features(_faces(points, points * 0), part="all")
    assert np.array_equal(features, points.reshape(3, 196))


def test_an_unknown_part_names_the_known_ones():
    with pytest.raises(ValueError, match="part 'ears'; choose from all, contour"):
        clusters.features(_faces(np.zeros((1, 98, 2)), np.zeros((1, 98, 2))), part="ears")


def test_without_pose_normalisation_a_part_is_its_raw_points():
    points = np.random.default_rng(0).random((3, 98, 2))
    raw = clusters.features(_faces(points, points * 0), part="nose", pose_normalisation=False)
    assert np.array_equal(raw, points[:, 51:60].reshape(3, -1))


def test_batches_of_many_samples_find_the_same_clusters(monkeypatch):
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 3000)
    features = np.eye(4)[true] * 3 + rng.normal(size=(3000, 4)) * 0.3
    w = np.eye(4)[true]
    whole = clusters.cluster(features, w, k=4, restarts=3, seed=0)
    monkeypatch.setattr(clusters, "LARGE", 1000)
    monkeypatch.setattr(clusters, "BATCH", 256)
    batches = clusters.cluster(features, w, k=4, restarts=3, seed=0)
    for found in (whole, batches):
        assert sorted(found.size) == sorted(np.bincount(true))
        np.testing.assert_allclose(np.sort(found.centroid.max(axis=1)), 1)  # each of one kind alone
