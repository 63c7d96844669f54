"""Learn from augmented faces how each attribute answers to a step in each layer of W+.

The regression of the stage `directions` knows only faces with one code in all layers. The faces of the stage
`pairs` were moved in groups of layers apart, so they tell which layers an attribute lives in: none has to be
rendered again.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import geometry
from d2a_core.faces.heads import lift
from d2a_core.faces.schemes import scheme_of

STORED = ("delta", "points", "found", "source_points")
PENALTIES = np.logspace(0, 5, 11)
LEAST = 1e-3  # share of the strongest component of the directions below which one is none


def changes(shards: Iterable[Mapping[str, NDArray]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Steps [N, L, D] of augmented faces that were found, and the change [N, A] of their attributes.

    `shards` hold the arrays `STORED` of the stage `pairs`.
    """
    steps, moved = [], []
    for shard in shards:
        found = shard["found"] & np.isfinite(shard["points"]).all(axis=(2, 3))
        found &= np.isfinite(shard["source_points"]).all(axis=(1, 2))[:, None]
        source = np.nonzero(found)[0]
        rest = lifted_attributes(shard["source_points"][np.unique(source)])
        row = np.searchsorted(np.unique(source), source)
        steps.append(shard["delta"][found])
        moved.append(lifted_attributes(shard["points"][found]) - rest[row])
    return np.concatenate(steps), np.concatenate(moved)


def lifted_attributes(points: NDArray) -> NDArray[np.float32]:
    """Attributes [N, A] of flat points [N, P, 2], over the depth of the mean face."""
    scheme = scheme_of(points.shape[1])
    heads = lift(points, scheme)
    angles = geometry.angles_of(heads.rotation)
    found = geometry.attributes(points, heads.shape[..., :2].astype(np.float32), angles, scheme)
    return np.stack([found[name] for name in geometry.ATTRIBUTES], axis=1)


def learn(store: Mapping[str, NDArray], steps: NDArray, change: NDArray) -> NDArray[np.float32]:
    """Slope [A, L, D] of every attribute, in deviations, along each layer; 0 where an attribute is unknown.

    Ridge regression of `change` [N, A] on the `steps` [N, L, D], group of layers by group of layers, in the
    span of the directions of `store`; the penalty is chosen by leave-one-out error.
    """
    from sklearn.linear_model import RidgeCV

    _, layers, width = store["vector"].shape
    groups = np.split(np.arange(layers), int(store["layer_groups"][0]))
    _, strength, axes = np.linalg.svd(store["vector"][:, 0], full_matrices=False)
    axes = axes[strength > LEAST * strength[0]]
    features = np.concatenate([steps[:, group].mean(axis=1) @ axes.T for group in groups], axis=1)
    known = (store["deviation"] > 0) & np.isfinite(change).all(axis=0)
    model = RidgeCV(alphas=PENALTIES).fit(features, change[:, known] / store["deviation"][known])
    slope = np.zeros((len(known), layers, width), np.float32)
    for group, weights in zip(groups, np.split(np.atleast_2d(model.coef_), len(groups), axis=1), strict=True):
        slope[np.ix_(known, group)] = (weights @ axes)[:, None] / len(group)
    return slope
