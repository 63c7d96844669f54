"""Stage `sources`: the faces to animate, as W+ codes. A seed gives the face of someone who does not exist."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.faces.landmarks import Detections, LandmarkDetector
from d2a_core.generator.generator import Generator, broadcast
from d2a_core.generator.rendering import render


@dataclass(frozen=True)
class Options:
    """One entry of the config section `sources`."""

    name: str
    seed: int
    truncation: float


@dataclass(frozen=True)
class Face:
    """A source: `wplus` [1, K, 512], its full-size `image` u1 [R, R, 3] and what was detected on it."""

    wplus: NDArray[np.float32]
    image: NDArray[np.uint8]
    detections: Detections


def code(generator: Generator, *, seed: int, truncation: float) -> Tensor:
    """Draw the code of the face of `seed`, W+ [1, num_layers, 512].

    `truncation` ψ pulls w towards the mean, w̄ + ψ(w - w̄): 1 is the full variety of the generator, lower
    values give plainer, cleaner faces (StyleGAN, section B).
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        w = generator.map(torch.randn(1, generator.z_dim, generator=rng))
    w = generator.mean_w + truncation * (w - generator.mean_w)
    return broadcast(w, generator.num_layers).cpu()


def sample(generator: Generator, detector: LandmarkDetector, options: Options) -> Face:
    """Render the face of a seed and detect it; raises ValueError when the detector sees no face."""
    wplus = code(generator, seed=options.seed, truncation=options.truncation)
    image = render(generator, wplus)
    detections = detector.detect(image)
    if not detections.found[0]:
        raise ValueError(
            f"no face found on the source {options.name!r}; choose another seed than {options.seed}"
        )
    return Face(wplus.numpy(), image[0], detections)
