"""Measure a reconstruction by the figures that papers on inversion report (peers: GANInverter)."""

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import dlib_identity, identity
from d2a_core.faces.geometry import normalized_mean_error
from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.media import resampling, similarity


def compare(
    image: NDArray[np.uint8],
    photo: NDArray[np.uint8],
    *,
    detector: LandmarkDetector,
    embedder: dlib_identity.DlibEmbedder,
) -> dict[str, float]:
    """Compare a reconstruction u1 [R, R, 3] with the aligned photo of the same size.

    `psnr` and `psnr_256` in dB, `ms_ssim`, `identity` the cosine of dlib's embeddings, `nme` the landmark
    error in inter-ocular distances. NaN where no face is found. `identity` is no independent witness of an
    inversion that minimised the same embedding's distance: four steps took the mean face from 0.92 to 0.97
    and still showed someone else. Read it beside `strangers`, who reach 0.9, and look at the picture.
    """
    both = np.stack((image, photo))
    points = detector.detect(both).points
    vectors = embedder.embed(both, points)
    small = resampling.resize(both, similarity.SMALL)
    return {
        "psnr": similarity.psnr(image, photo),
        "psnr_256": similarity.psnr(*small),
        "ms_ssim": similarity.structural_similarity(image, photo),
        "identity": float(identity.cosine_similarity(vectors[:1], vectors[1:])[0]),
        "nme": float(normalized_mean_error(points[:1], points[1:])[0]),
    }
