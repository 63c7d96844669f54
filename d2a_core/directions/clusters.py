"""Stage `clusters`: k-means over the landmarks of sampled faces (paper, section 3.1, "Clustering")."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d2a_core import runtime
from d2a_core.directions.samples import Samples
from d2a_core.store import arrays, provenance, tables

LARGE = (
    20_000  # samples beyond which k-means works on batches: 1 to 2 % wider clusters in a tenth of the time
)
BATCH = 4096  # samples
POSE_PART = "all"  # clustered on the raw points, as in the paper: these clusters find the head pose


@dataclass(frozen=True)
class Options:
    """Config section `clusters`."""

    counts: dict[str, list[int]]
    pose_normalisation: bool
    restarts: int
    seed: int


@dataclass(frozen=True)
class Clustering:
    """`cluster` [N] of each sample, its `distance` [N] to the centre, `centroid` [k, D] in w, `size` [k]."""

    cluster: NDArray[np.int64]
    distance: NDArray[np.float32]
    centroid: NDArray[np.float32]
    size: NDArray[np.int64]


@dataclass(frozen=True)
class PartClustering:
    """The clusters that were `found` of one facial part, and the `plan` that they were made by."""

    plan: dict[str, object]
    found: Clustering


def cluster_all(faces: Samples, options: Options) -> Iterator[PartClustering]:
    """Cluster `faces` by each part into each number of clusters, in the order of `options.counts`."""
    chosen = {"pose_normalisation": options.pose_normalisation}
    for part, counts in options.counts.items():
        seen = features(faces, part=part, **chosen) if counts else faces.points[:0]
        for k in counts:
            found = cluster(seen, faces.w, k=k, restarts=options.restarts, seed=options.seed)
            plan = {"part": part, "k": k, "seed": options.seed, "faces": len(seen)}
            yield PartClustering(plan | chosen, found)


def save_all(
    clusterings: Iterable[PartClustering],
    centroids: Iterable[str],
    members: Iterable[str],
    *,
    sample_id: NDArray,
    facts: Mapping[str, object],
    log: logging.Logger,
) -> None:
    """Write each clustering as it comes: a store of `centroids`, and a table of who belongs where.

    The rows of the tables are the samples `sample_id` [N]; `facts` go into the provenance of all.
    """
    for each, store, table in zip(clusterings, centroids, members, strict=True):
        found, made = each.found, provenance.provenance(stage="clusters", **each.plan, **facts)
        arrays.write_zarr(store, {"centroid": found.centroid, "size": found.size}, attributes=made)
        columns = {"sample_id": sample_id, "cluster": found.cluster, "distance": found.distance}
        tables.write_parquet(columns, table, metadata=made)
        shown = {name: each.plan[name] for name in ("part", "k", "faces")}
        log.info("clusters %s", runtime.figures_line(shown | {"smallest": int(found.size.min())}))


def features(faces: Samples, *, part: str, pose_normalisation: bool = True) -> NDArray[np.float32]:
    """Features of one facial part for k-means: [N, 2·P'].

    `all` keeps the 196 raw coordinates of the paper. On raw points the mouth or the eyes would find yaw
    again, so a part is taken after pose normalisation: turned to the front, about its own centre, and
    without what head angles still explain of it, because a detected depth is never exact. Without it the
    part's raw points are clustered.
    """
    parts = faces.scheme.parts
    if part not in parts:
        raise ValueError(f"clusters.counts names the part {part!r}; choose from {', '.join(parts)}")
    if part == POSE_PART or not pose_normalisation:
        return faces.points[:, list(parts[part])].reshape(len(faces.points), -1)
    chosen = faces.canonical[:, list(parts[part])]
    centred = (chosen - chosen.mean(axis=1, keepdims=True)).reshape(len(chosen), -1)
    return without_pose(centred, faces.angles)


def without_pose(features: NDArray, angles: NDArray) -> NDArray[np.float32]:
    """Residual of features [N, F] after least squares on a quadratic of yaw, pitch and roll [N, 3]."""
    scaled = angles / 30  # degrees to about one
    yaw, pitch, roll = scaled.T
    design = np.column_stack((np.ones(len(scaled)), scaled, yaw**2, pitch**2, yaw * pitch, yaw * roll))
    fit = design @ np.linalg.lstsq(design, features, rcond=None)[0]
    return (features - fit + features.mean(axis=0)).astype(np.float32)


def cluster(features: NDArray, w: NDArray, *, k: int, restarts: int, seed: int) -> Clustering:
    """k-means on `features` [N, F]; the centroid of a cluster is the mean of its w [N, 512].

    Raises ValueError when there are fewer samples than clusters.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if len(features) < k:
        raise ValueError(
            f"{len(features)} faces cannot form {k} clusters; raise latents.samples or lower clusters.counts"
        )
    options = {"n_clusters": k, "n_init": restarts, "random_state": seed}
    large = len(features) > LARGE
    model = MiniBatchKMeans(batch_size=BATCH, **options) if large else KMeans(**options)
    model.fit(features)
    labels = model.labels_.astype(np.int64)
    distance = np.linalg.norm(features - model.cluster_centers_[labels], axis=1)
    size = np.bincount(labels, minlength=k)
    centroid = np.stack([w[labels == index].mean(axis=0) for index in range(k)])
    return Clustering(labels, distance.astype(np.float32), centroid.astype(np.float32), size.astype(np.int64))
