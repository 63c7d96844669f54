"""Stage `directions`: interpolation directions from cluster centroids (paper, section 3.1, "Collecting").

A sample's w is the same in every layer, so a difference of centroids is one [512] vector for the first
`layers` layers of W+, and zero for the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.directions import ball
from d2a_core.directions.samples import Samples
from d2a_core.faces import geometry
from d2a_core.faces.heads import rigid_share

GROUPS = ("pose", "expression")
REGRESSED = 20_000  # samples at most: see `regress`


@dataclass(frozen=True)
class Options:
    """Config section `directions`."""

    method: str
    components: int
    svm_share: float
    layers: int
    layer_groups: int
    ica_above: int
    duplicate_cosine: float
    min_displacement: float
    unit_norm: float
    radius_quantile: float
    reach: float
    pose_share: float
    regroup: Mapping[str, Sequence[int]]
    seed: int


@dataclass(frozen=True)
class Candidates:
    """Directions of one origin, the clusters of a facial part or another method.

    `part` names the origin, `count` is the number of its clusters, None where nothing was clustered.
    `vector` [m, 512], `name` [m], and `share` [m] of what the origin explains.
    """

    part: str
    count: int | None
    vector: NDArray[np.float32]
    name: list[str]
    share: NDArray[np.float32]


@dataclass(frozen=True)
class Regression:
    """Ridge regression from w to landmarks and attributes, in units of `scale` [F]: `weight` [512, F]."""

    weight: NDArray[np.float64]
    score: NDArray[np.float64]

    def effect(self, vector: NDArray) -> NDArray[np.float32]:
        """Change of every target along `vector` [m, 512]: [m, F]."""
        return (vector @ self.weight).astype(np.float32)


def regress(w: NDArray, targets: NDArray) -> Regression:
    """Linear model of `targets` [N, F] in w [N, 512]; the penalty is chosen by leave-one-out error.

    It measures a direction without rendering it. `score` [F] is the share of variance explained in
    leave-one-out prediction. Columns that hold a NaN are left at zero. Of more than REGRESSED samples, that
    many, evenly spread, are used: 512 weights gain nothing from more, and memory would grow with N·F.
    """
    from sklearn.linear_model import RidgeCV

    chosen = np.linspace(0, len(w) - 1, min(len(w), REGRESSED)).astype(int)
    w, targets = w[chosen], targets[chosen]
    known = ~np.isnan(targets).any(axis=0)
    scale = targets[:, known].std(axis=0) + 1e-9
    normal = (targets[:, known] - targets[:, known].mean(axis=0)) / scale
    model = RidgeCV(alphas=np.logspace(0, 5, 11), store_cv_results=True, alpha_per_target=False)
    model.fit(w.astype(np.float64), normal)
    best = int(np.argmin(model.cv_results_.mean(axis=(0, 1))))
    weight = np.zeros((w.shape[1], targets.shape[1]))
    weight[:, known] = model.coef_.T * scale
    score = np.zeros(targets.shape[1])
    score[known] = 1 - model.cv_results_[:, :, best].mean(axis=0)
    return Regression(weight, score)


def displacement(effect_points: NDArray, inter_ocular: float) -> NDArray[np.float32]:
    """Mean landmark displacement of points [m, P, 2] as a fraction of the inter-ocular distance: [m]."""
    return (np.linalg.norm(effect_points, axis=-1).mean(axis=-1) / inter_ocular).astype(np.float32)


def orient(effect: NDArray, deviation: NDArray) -> NDArray[np.float32]:
    """Sign [m] that makes the strongest attribute of every direction grow.

    `effect` [m, A] and `deviation` [A], the spread of each attribute over the samples.
    """
    standard = np.divide(effect, deviation, out=np.zeros_like(effect), where=deviation > 0)
    strongest = np.abs(standard).argmax(axis=1)
    return np.where(standard[np.arange(len(effect)), strongest] < 0, -1.0, 1.0).astype(np.float32)


def select(
    vector: NDArray, strength: NDArray, *, duplicate_cosine: float, min_displacement: float
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Indices of the directions worth keeping, strongest first, and how many were dropped and why.

    A direction is insignificant when it moves the landmarks by less than `min_displacement` of the
    inter-ocular distance, a duplicate when |cos| with a stronger one exceeds `duplicate_cosine`.
    """
    unit = vector / (np.linalg.norm(vector, axis=1, keepdims=True) + 1e-12)
    kept: list[int] = []
    dropped = {"insignificant": 0, "duplicate": 0}
    for index in np.argsort(-strength, kind="stable"):
        if strength[index] < min_displacement:
            dropped["insignificant"] += 1
        elif kept and np.abs(unit[kept] @ unit[index]).max() > duplicate_cosine:
            dropped["duplicate"] += 1
        else:
            kept.append(int(index))
    return np.array(kept, dtype=np.int64), dropped


@dataclass(frozen=True)
class Distilled:
    """Result of the stage: stored arrays, the columns of the catalogue, and how many were dropped and why."""

    arrays: dict[str, NDArray]
    columns: dict[str, object]
    dropped: dict[str, int]

    @property
    def summary(self) -> str:
        """The dropped counts as `name=value`."""
        return " ".join(f"{name}={count}" for name, count in self.dropped.items())


def basis(store: Mapping[str, NDArray], group: str = "all") -> NDArray[np.float32]:
    """Directions of a store with `vector` [M, L, D], one copy a group of layers: [G·M, L, D], zero elsewhere.

    `group` takes only those that move the head ("pose") or the face ("expression"); ValueError when there is
    none. `layer_groups` G cuts the L layers into equal groups that move independently. A direction found in W
    moves all layers at once, also those that change nothing of the motion and only cost likeness; drawn
    apart, FAN learns to move just the layers that the landmarks answer to.
    """
    vector, groups = store["vector"], int(store["layer_groups"][0])
    if group != "all":
        vector = vector[store["pose"] == (group == "pose")]
    if not len(vector):
        raise ValueError(
            f"no direction is in the group {group}; change directions.pose_share or regroup some"
        )
    count, layers, width = vector.shape
    if layers % groups:
        raise ValueError(
            f"directions.layer_groups is {groups}, which does not divide {layers} layers; choose 1, 2 or 4"
        )
    split = np.zeros((groups, count, layers, width), np.float32)
    for number, chosen in enumerate(np.split(np.arange(layers), groups)):
        split[number][:, chosen] = vector[:, chosen]
    return split.reshape(groups * count, layers, width)


def distil(candidates: Sequence[Candidates], faces: Samples, mean_w: NDArray, options: Options) -> Distilled:
    """Measure, orient and select the directions of all origins.

    `candidates` are those of `candidates.find`. Stored: `vector` [M, layers, 512], the ball of
    `ball.measure`, `pose` [M] true for what moves the head, `effect` [M, A] on the `ATTRIBUTES` and their
    `deviation` [A].
    """
    vector = np.concatenate([found.vector for found in candidates])
    effect, strength, deviation, rigid = measure(vector, faces)
    sign = orient(effect, deviation)
    kept, dropped = select(
        vector,
        strength,
        duplicate_cosine=options.duplicate_cosine,
        min_displacement=options.min_displacement,
    )
    if not len(kept):
        raise ValueError(
            "no direction moves the landmarks; lower directions.min_displacement or raise latents.samples"
        )
    norm = np.linalg.norm(vector[kept], axis=1)
    scale = sign[kept] * (options.unit_norm / norm if options.unit_norm else 1.0)
    origin = [(found, name) for found in candidates for name in found.name]
    share = np.concatenate([found.share for found in candidates])
    scaled = vector[kept] * scale[:, None]
    effect, strength = effect[kept] * scale[:, None], strength[kept] * np.abs(scale)
    pose = in_pose(rigid[kept], options.pose_share, options.regroup)
    arrays: dict[str, NDArray] = {
        "vector": np.repeat(scaled[:, None], options.layers, axis=1).astype(np.float32),
        "layer_groups": np.array([options.layer_groups], np.int64),
        **ball.measure(faces.w, mean_w, radius_quantile=options.radius_quantile, reach=options.reach),
        "pose": pose,
        "effect": effect.astype(np.float32),
        "deviation": deviation.astype(np.float32),
    }
    columns = _columns([origin[i] for i in kept], share[kept], norm, strength, effect)
    columns |= {"rigid_share": rigid[kept], "group": [GROUPS[not moves_head] for moves_head in pose]}
    return Distilled(arrays, columns, dropped)


def in_pose(rigid: NDArray, least: float, regroup: Mapping[str, Sequence[int]]) -> NDArray[np.bool_]:
    """Tell which directions move the head: their `rigid` share [M] is at least `least`, or `regroup` says so.

    `regroup` has the numbers of directions that belong to "pose" and "expression" all the same. Raises
    ValueError for a number that no direction has, or that both name.
    """
    pose = rigid >= least
    unknown = [number for group in GROUPS for number in regroup[group] if number >= len(pose)]
    if unknown:
        raise ValueError(
            f"directions.regroup names {unknown[0]}, but the directions are 0 to {len(pose) - 1}; "
            "look them up in results/directions/catalogue.parquet"
        )
    twice = set(regroup["pose"]) & set(regroup["expression"])
    if twice:
        raise ValueError(f"directions.regroup puts {min(twice)} into both groups; name it once")
    pose[list(regroup["pose"])] = True
    pose[list(regroup["expression"])] = False
    return pose


def measure(vector: NDArray, faces: Samples) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Effect of each direction [m, 512] without rendering it, from a regression over the samples.

    Returns the change of every attribute [m, A], the mean landmark displacement in inter-ocular
    distances [m], the spread of each attribute over the samples [A], and the share of the motion that is
    rigid [m].
    """
    values = np.stack([faces.attributes[name] for name in geometry.ATTRIBUTES], axis=1)
    flat = faces.points.reshape(len(faces.points), -1)
    effect = regress(faces.w, np.concatenate((flat, values), axis=1)).effect(vector)
    moved = effect[:, : flat.shape[1]].reshape(len(vector), -1, 2)
    deviation = np.nan_to_num(values.std(axis=0))
    rigid = rigid_share(moved, faces.points.mean(axis=0), faces.scheme)
    return effect[:, flat.shape[1] :], displacement(moved, faces.inter_ocular), deviation, rigid


def _columns(
    origin: Sequence[tuple[Candidates, str]],
    share: NDArray,
    norm: NDArray,
    strength: NDArray,
    effect: NDArray,
) -> dict[str, object]:
    columns = {
        "direction": np.arange(len(origin), dtype=np.int64),
        "part": [found.part for found, _ in origin],
        "k": pyarrow.array([found.count for found, _ in origin], pyarrow.int64()),
        "kind": [name for _, name in origin],
        "norm": norm.astype(np.float32),
        "explained_share": share.astype(np.float32),
        "displacement": strength.astype(np.float32),
    }
    return columns | {
        name: effect[:, index].astype(np.float32) for index, name in enumerate(geometry.ATTRIBUTES)
    }


def steer(
    vector: NDArray, effect: NDArray, deviation: NDArray, goal: NDArray, *, ridge: float
) -> NDArray[np.float32]:
    """Coefficients [T, M] on the directions whose summed effect comes nearest to `goal` [T, A].

    Least squares with effects [M, A], deviations [A] and goals compared in standard deviations of each
    attribute. The ridge weighs the length of the step Σ cᵢvᵢ, `vector` [M, D], not of the coefficients: of
    all ways to the same effect the shortest changes the face least.
    """
    known = deviation > 0
    scaled = effect[:, known] / deviation[known]
    gram, lengths = scaled @ scaled.T, vector.astype(np.float64) @ vector.T
    penalty = ridge * np.trace(gram) / np.trace(lengths) * lengths
    penalty += 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram))  # directions may depend on one another
    return np.linalg.solve(gram + penalty, scaled @ (goal[:, known] / deviation[known]).T).T.astype(
        np.float32
    )
