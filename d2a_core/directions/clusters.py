"""Stage `clusters`: k-means over the landmarks of sampled faces (paper, section 3.1, "Clustering")."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d2a_core.directions.samples import Samples

LARGE = (
    20_000  # samples beyond which k-means works on batches: 1 to 2 % wider clusters in a tenth of the time
)
BATCH = 4096  # samples
POSE_PART = "all"  # clustered on the raw points, as in the paper: these clusters find the head pose


@dataclass(frozen=True)
class Clustering:
    """`cluster` [N] of each sample, its `distance` [N] to the centre, `centroid` [k, D] in w, `size` [k]."""

    cluster: NDArray[np.int64]
    distance: NDArray[np.float32]
    centroid: NDArray[np.float32]
    size: NDArray[np.int64]


def features(faces: Samples, *, part: str, pose_normalisation: bool = True) -> NDArray[np.float32]:
    """What k-means sees of one facial part: [N, 2·P'].

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
