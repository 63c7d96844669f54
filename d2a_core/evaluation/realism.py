"""Realism of a method's results as a set: distances between Inception features (see `inception`).

FID: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium"
(NeurIPS 2017). KID: Bińkowski et al., "Demystifying MMD GANs" (ICLR 2018). Inception score: Salimans et al.,
"Improved Techniques for Training GANs" (NeurIPS 2016). KID and the score are torch-fidelity's own code.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from d2a_core.evaluation import inception, protocols
from d2a_core.evaluation.protocols import Pair
from d2a_core.evaluation.results import Find, Picture
from d2a_core.runtime import Progress

BLOCK = 1024  # images whose features are in float64 at a time
KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000  # torch-fidelity's, and those of most papers
SPLITS = 10  # of the Inception score (Salimans et al., section 4)
SEED = 0  # of KID's subsets and the score's parts
NOTHING = {name: float("nan") for name in ("fid", "kid", "kid_std", "is", "is_std", "is_gap")}

Features = tuple[NDArray[np.float32], NDArray[np.float32]]  # pool3 [N, 2048] and logits [N, 1008]


def moments(features: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [D] and unbiased covariance [D, D] of features [N, D], N ≥ 2, summed in float64."""
    count, dim = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((dim, dim))
    for start in range(0, count, BLOCK):
        centred = features[start : start + BLOCK] - mean
        covariance += centred.T @ centred
    return mean, covariance / (count - 1)


def frechet_distance(mean1: NDArray, cov1: NDArray, mean2: NDArray, cov2: NDArray) -> float:
    """Squared Fréchet distance of two Gaussians, ‖m₁ − m₂‖² + tr(C₁ + C₂ − 2 (C₁ C₂)^½), at least 0.

    Means [D], covariances [D, D]. Heusel et al. (2017), equation 6, in the symmetric form
    tr (C₁ C₂)^½ = tr (C₁^½ C₂ C₁^½)^½ of Dowson and Landau (1982): its eigenvalues are real and not negative,
    so what rounding puts below zero is cut off, also where there are fewer images than dimensions.
    """
    mean1, cov1, mean2, cov2 = (np.asarray(each, np.float64) for each in (mean1, cov1, mean2, cov2))
    values, axes = np.linalg.eigh(cov1)
    root = (axes * np.sqrt(values.clip(min=0))) @ axes.T
    product = root @ cov2 @ root
    values = np.linalg.eigvalsh((product + product.T) / 2)
    overlap = np.sqrt(values.clip(min=0)).sum()
    distance = np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * overlap
    return max(0.0, float(distance))


def fid(features_a: NDArray, features_b: NDArray) -> float:
    """Fréchet inception distance of features [N, 2048] and [M, 2048], 0 for equal sets; lower is better."""
    return frechet_distance(*moments(features_a), *moments(features_b))


def kid(features_a: NDArray, features_b: NDArray, seed: int) -> tuple[float, float]:
    """Kernel inception distance of features [N, D] and [M, D], and its deviation between subsets.

    The unbiased estimate of Bińkowski et al. (2018), with the kernel (x·y / D + 1)³, over random subsets of
    `kid_subset_size` images. It has no bias from few images, so it may be a little below 0; lower is better.
    """
    metric = inception.fidelity_module("metric_kid")
    found = metric.kid_features_to_metric(
        *(torch.from_numpy(np.ascontiguousarray(each)) for each in (features_a, features_b)),
        kid_subsets=KID_SUBSETS,
        kid_subset_size=kid_subset_size(len(features_a), len(features_b)),
        rng_seed=seed,
        verbose=False,
    )
    return found[metric.KEY_METRIC_KID_MEAN], found[metric.KEY_METRIC_KID_STD]


def kid_subset_size(count_a: int, count_b: int) -> int:
    """Images of a subset of `kid`: 1000, or as many as the smaller set has."""
    return min(KID_SUBSET_SIZE, count_a, count_b)


def inception_score(logits: NDArray, seed: int, *, splits: int = SPLITS) -> tuple[float, float]:
    """Inception score of logits [N, C], between 1 and C, and its deviation between splits; higher is better.

    exp E KL(p(y|x) ‖ p(y)) of Salimans et al. (2016), the mean over `splits` random parts, or over N parts
    of one image where there are fewer images. It rewards pictures that look like different things to a
    classifier of objects, so on faces it says little.
    """
    metric = inception.fidelity_module("metric_isc")
    found = metric.isc_features_to_metric(
        torch.from_numpy(np.ascontiguousarray(logits)), min(splits, len(logits)), True, seed
    )
    return found[metric.KEY_METRIC_ISC_MEAN], found[metric.KEY_METRIC_ISC_STD]


def inception_score_gap(score: float, reference: float) -> float:
    """Distance of an Inception score from that of references; lower is better.

    Unlike the score itself it is best for pictures like the reference. At equal numbers of images only: the
    score grows with them.
    """
    return abs(score - reference)


def compare(result: Features, reference: Features, seed: int) -> dict[str, object]:
    """All figures of result pictures against reference pictures, from the outputs of `inception.features`.

    `fid`, `kid` and `kid_std`, `is` and `is_std` of the results, `is_gap` to the score of the reference,
    `images` and `reference_images` their numbers, `note` what to mind when reading them, or "". `seed` draws
    the subsets. Raises ValueError for fewer than two images on either side.
    """
    counts = len(result[0]), len(reference[0])
    if min(counts) < 2:
        raise ValueError(
            f"FID and KID compare sets of pictures, and there are {counts[0]} results and {counts[1]} "
            "reference pictures; give at least two of each"
        )
    kid_mean, kid_std = kid(result[0], reference[0], seed)
    score, score_std = inception_score(result[1], seed)
    reference_score, _ = inception_score(reference[1], seed)
    return {
        "fid": fid(result[0], reference[0]),
        "kid": kid_mean,
        "kid_std": kid_std,
        "is": score,
        "is_std": score_std,
        "is_gap": inception_score_gap(score, reference_score),
        "images": counts[0],
        "reference_images": counts[1],
        "note": _note(*counts, dim=result[0].shape[1]),
    }


def _note(count: int, reference_count: int, *, dim: int) -> str:
    parts = []
    if min(count, reference_count) <= dim:
        parts.append(
            f"fewer images than the {dim} features: the covariance is rank-deficient and FID biased upwards, "
            "compare only at equal N"
        )
    size = kid_subset_size(count, reference_count)
    if size < KID_SUBSET_SIZE:
        parts.append(f"KID over subsets of {size} images instead of {KID_SUBSET_SIZE}")
    if size == count == reference_count:
        parts.append("every subset of KID is the whole set, so its deviation says nothing")
    return "; ".join(parts)


def measure(
    pairs: Sequence[Pair],
    finders: Mapping[str, Find],
    references: Callable[[str], Iterator[Picture]],
    weights: Path | str,
    *,
    passes: Sequence[int],
    device: str | torch.device,
    progress: Progress | None = None,
) -> dict[str, list]:
    """Columns of a table: a row of `compare` for each method, number of passes, protocol and dataset.

    `finders` give the pictures of each method by its name, `references` the pictures `r…` of a set: of the
    sources' set, as many as sources, and disjoint from these. Where `weights` is not the path of the
    Inception network but the reason why there is none, the figures are NaN and `note` says so.
    """
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault((pair.protocol, pair.dataset), []).append(pair)
    network = None if isinstance(weights, str) else inception.load(weights, device)
    note = f"No FID, KID and IS: {weights.partition(' (')[0]}." if isinstance(weights, str) else ""
    known: dict[str, Features] = {}
    rows = []
    for (method, find), number, ((protocol, dataset), chosen) in product(
        finders.items(), passes, groups.items()
    ):
        row = {"method": method, "passes": number, "protocol": protocol, "dataset": dataset}
        if network is None:
            rows.append(row | NOTHING | {"images": 0, "reference_images": 0, "note": note})
            continue
        faces = protocols.set_of(chosen[0].source_image)
        if faces not in known:
            known[faces] = inception.features(references(faces), network)
        images = (image for pair in chosen if (image := find(pair, number)) is not None)
        rows.append(row | _figures(images, known[faces], network, progress))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _figures(
    images: Iterator[Picture], reference: Features, network: nn.Module, progress: Progress | None
) -> dict[str, object]:
    result = inception.features(images, network, progress)
    least = min(len(result[0]), len(reference[0]))
    if least < 2:
        counts = {"images": len(result[0]), "reference_images": len(reference[0])}
        return NOTHING | counts | {"note": f"No FID, KID and IS: {least} pictures make no distribution."}
    return compare(result, reference, SEED)
