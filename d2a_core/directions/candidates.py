"""Find candidates for directions: by the paper's clusters, or by methods that it is compared with.

All return candidates for `directions.distil`, which measures, selects and scales them alike, so that a
comparison changes the directions and nothing else.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from d2a_core.directions.directions import Candidates, Options
from d2a_core.directions.samples import Samples
from d2a_core.faces.geometry import ATTRIBUTES
from d2a_core.generator.generator import PretrainedGenerator

SVM_C = 1e-3  # a wide margin: 512 weights from some hundred faces


@dataclass(frozen=True)
class Centroids:
    """The means in w of one clustering of a facial `part`: `centroid` [k, 512]."""

    part: str
    centroid: NDArray[np.float32]


@dataclass(frozen=True)
class Known:
    """Input of a method: sampled `faces`, the generator, and `clusterings`, where there are any."""

    faces: Samples
    network: PretrainedGenerator
    clusterings: Sequence[Centroids] = ()


def known(
    faces: Samples,
    network: PretrainedGenerator,
    parts: Sequence[str],
    stores: Iterable[Mapping[str, NDArray]],
) -> Known:
    """Collect the input of methods, with the stores of the stage `clusters` for each of the `parts`."""
    clusterings = [Centroids(part, store["centroid"]) for part, store in zip(parts, stores, strict=True)]
    return Known(faces, network, clusterings)


def find(known: Known, options: Options) -> list[Candidates]:
    """Candidates of every origin after `options.method`; raises ValueError for an unknown method."""
    if options.method not in METHODS:
        raise ValueError(f"directions.method is {options.method!r}; choose one of {', '.join(METHODS)}")
    return METHODS[options.method](known, options)


def clusters(known: Known, options: Options) -> list[Candidates]:
    """Differences of the centroids of each clustering (the paper's method, section 3.1, "Collecting")."""
    return [
        collect(clustering, ica_above=options.ica_above, seed=options.seed)
        for clustering in known.clusterings
    ]


def interfacegan(known: Known, options: Options) -> list[Candidates]:
    """Normals of linear classifiers of the `ATTRIBUTES` (Shen et al., CVPR 2020, the paper's reference 46).

    For each attribute that landmarks measure, a linear SVM tells the share `svm_share` of the faces that have
    most of it from the share that have least. The first direction has the largest accuracy on the other
    faces, split at the middle of the two extremes; that accuracy is `share` of the result.
    """
    from sklearn.svm import LinearSVC

    faces, count = known.faces, int(options.svm_share * len(known.faces.w))
    if count < 2:
        raise ValueError(
            f"directions.svm_share {options.svm_share:g} of {len(faces.w)} faces are fewer than two a side; "
            "raise it"
        )
    normals, names, accuracies = [], [], []
    for name in ATTRIBUTES:
        values = faces.attributes[name]
        if np.isnan(values).any():
            continue
        order = np.argsort(values, kind="stable")
        low, high, rest = order[:count], order[-count:], order[count:-count]
        model = LinearSVC(C=SVM_C, random_state=options.seed, max_iter=20_000)
        model.fit(faces.w[np.concatenate((low, high))], np.repeat((0, 1), count))
        middle = (values[low[-1]] + values[high[0]]) / 2
        right = model.predict(faces.w[rest]) == (values[rest] > middle)
        normals.append(model.coef_[0] / np.linalg.norm(model.coef_[0]))
        names.append(f"boundary {name}")
        accuracies.append(right.mean())
    best = np.argsort(-np.array(accuracies), kind="stable")
    return [
        Candidates(
            "interfacegan",
            None,
            deviations_long(np.array(normals)[best], faces.w),
            [names[index] for index in best],
            np.array(accuracies, np.float32)[best],
        )
    ]


def ganspace(known: Known, options: Options) -> list[Candidates]:
    """The first `components` principal components of w (Härkönen et al., NeurIPS 2020, reference 20)."""
    from sklearn.decomposition import PCA

    w = known.faces.w
    model = PCA(n_components=min(options.components, *w.shape), svd_solver="full").fit(w.astype(np.float64))
    vector = (model.components_ * np.sqrt(model.explained_variance_)[:, None]).astype(np.float32)
    names = [f"component {rank}" for rank in range(len(vector))]
    return [Candidates("ganspace", None, vector, names, model.explained_variance_ratio_.astype(np.float32))]


def sefa(known: Known, options: Options) -> list[Candidates]:
    """The first `components` eigenvectors of AᵀA (Shen and Zhou, CVPR 2021, the paper's reference 47).

    A [C, 512] turns w into the styles of the layers that move, each row at unit length: the directions that
    change the styles most. The sampled w only give their length, one standard deviation.
    """
    rows = known.network.style_weights(options.layers).numpy().astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-12
    energy, vector = np.linalg.eigh(rows.T @ rows)
    order = np.argsort(-energy)[: options.components]
    names = [f"eigenvector {rank}" for rank in range(len(order))]
    share = (energy[order] / energy.sum()).astype(np.float32)
    return [Candidates("sefa", None, deviations_long(vector.T[order], known.faces.w), names, share)]


METHODS: Mapping[str, Callable[[Known, Options], list[Candidates]]] = {
    "clusters": clusters,
    "interfacegan": interfacegan,
    "ganspace": ganspace,
    "sefa": sefa,
}


def deviations_long(unit: NDArray, w: NDArray) -> NDArray[np.float32]:
    """Unit directions [m, 512] made one standard deviation of w [N, 512] long, as the centroids' are."""
    return (unit * (w @ unit.T).std(axis=0)[:, None]).astype(np.float32)


def collect(clustering: Centroids, *, ica_above: int, seed: int) -> Candidates:
    """Propose directions from the centroids of one clustering.

    Up to `ica_above` clusters, the difference of every pair; above, the independent components of those
    differences, which have rank k - 1.
    """
    part, centroid = clustering.part, clustering.centroid
    pairs = list(combinations(range(len(centroid)), 2))
    differences = np.stack([centroid[b] - centroid[a] for a, b in pairs])
    if len(centroid) > ica_above:
        vector, share = _independent_components(differences, count=len(centroid) - 1, seed=seed)
        names = [f"component {rank}" for rank in range(len(vector))]
        return Candidates(part, len(centroid), vector, names, share)
    energy = np.square(differences).sum(axis=1)
    names = [f"pair {a}-{b}" for a, b in pairs]
    return Candidates(part, len(centroid), differences, names, energy / max(float(energy.sum()), 1e-12))


def _independent_components(
    differences: NDArray, *, count: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """FastICA (Hyvärinen and Oja, 2000): columns of the mixing matrix, one standard deviation long.

    Returns them [count, 512] and the share that each explains [count]. Differences are taken with both signs,
    so their mean is zero and no direction is favoured.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    both = np.concatenate((differences, -differences)).astype(np.float64)
    model = FastICA(n_components=count, whiten="unit-variance", random_state=seed, max_iter=1000, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few samples: the last rotation may oscillate
        model.fit(both)
    vector = model.mixing_.T
    energy = np.square(vector).sum(axis=1)
    order = np.argsort(-energy)
    share = energy[order] / np.square(both).sum(axis=1).mean()
    return vector[order].astype(np.float32), share.astype(np.float32)
