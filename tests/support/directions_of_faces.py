"""Made-up faces whose latents have a known meaning."""

import numpy as np

from d2a_core.directions import directions
from d2a_core.directions.samples import Samples
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98

OPTIONS = directions.Options(
    method="clusters",
    components=8,
    svm_share=0.1,
    layers=8,
    layer_groups=4,
    ica_above=6,
    duplicate_cosine=0.95,
    min_displacement=0.001,
    unit_norm=3.0,
    radius_quantile=0.95,
    reach=0.6,
    pose_share=0.5,
    regroup={"pose": [], "expression": []},
    seed=0,
)


def made_faces() -> Samples:
    """600 faces: the first coordinate of w shifts the mouth's lower lip, the second turns the head."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(600, 24)).astype(np.float32)
    points = np.repeat(template_of(WFLW98)[None, :, :2], 600, axis=0)
    points[:, [93, 94, 95], 1] += 0.02 * w[:, :1]
    canonical = points.astype(np.float32)
    angles = np.zeros((600, 3), np.float32)
    angles[:, 0] = 10 * w[:, 1]
    turned = 0.35 * points + np.array([0.5, 0.5]) + 0.01 * w[:, 1, None, None] * np.array([1, 0])
    return Samples(np.arange(600), w, turned.astype(np.float32), canonical, angles)
