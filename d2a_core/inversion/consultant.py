"""Put back into a frame what the code of a photo cannot hold, by a trained HFGI."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from d2a_core.generator import rendering
from d2a_core.generator.contract import Consultation
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.generator.rendering import to_float
from d2a_core.inversion.hfgi_network import PICTURE, Architecture, Hfgi
from d2a_core.media.resampling import resize
from d2a_core.store import weights


def seen(images: Tensor) -> Tensor:
    """Images [N, 3, S, S] at the size that the networks look at, [N, 3, 256, 256]."""
    if images.shape[-1] == PICTURE:
        return images
    size = (PICTURE, PICTURE)
    return functional.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)


def load(state: Mapping, *, device: str) -> Hfgi:
    """Load trained networks from a checkpoint that `training.checkpoint` packed."""
    network = Hfgi(Architecture(**state["architecture"]))
    network.load_state_dict(state["state"])
    return network.to(device).eval().requires_grad_(False)


def consult(generator: PretrainedGenerator, networks: Hfgi, image: Tensor, wplus: Tensor) -> Consultation:
    """Compute scale and shift that bring the render of `wplus` [N, L, D] to `image` [N, 3, S, S] in [-1, 1].

    `image` has the size of a draft. `wplus` may be the encoder's code or a better one.
    """
    return consult_frame(generator, networks, image, wplus, wplus)


def consult_frame(
    generator: PretrainedGenerator,
    networks: Hfgi,
    image: Tensor,
    wplus: Tensor,
    moved: Tensor,
    *,
    yaw_deg: Tensor | float = 0.0,
    yaw_limit_deg: float = float("inf"),
) -> Consultation:
    """Compute scale and shift for frames `moved` [N, L, D] of the face of `image` [1 or N, 3, S, S].

    ADA sees the frame and lays the distortion map of the still onto it. `yaw_deg` [N] is how far each frame
    is turned from the still: see `fade`.
    """
    size = image.shape[-1]
    with torch.no_grad():
        base = generator.synthesize(wplus, size).clamp(-1, 1)
        same = moved is wplus
        face = base if same else generator.synthesize(moved, size).clamp(-1, 1)
        distortion = (seen(image.to(base)) - seen(base)).expand(len(face), -1, -1, -1)
        scale, shift = networks(distortion, seen(face))
    kept = fade(torch.as_tensor(yaw_deg, device=scale.device), limit_deg=yaw_limit_deg).reshape(-1, 1, 1, 1)
    return scale * kept, shift * kept


@dataclass(frozen=True)
class Consultant:
    """Put back into the frames of one photo what its code lacks; nothing without `networks`.

    `image` [1, 3, S, S] in [-1, 1] is the photo at the size of a draft, `wplus` [1, L, D] its code.
    """

    generator: PretrainedGenerator
    networks: Hfgi | None
    image: Tensor
    wplus: Tensor
    yaw_limit_deg: float

    def __call__(self, moved: Tensor, yaw_deg: float = 0.0) -> Consultation | None:
        """Consult the photo for the code `moved` [1, L, D], turned by `yaw_deg`; None without networks."""
        if self.networks is None:
            return None
        pictures = self.image, self.wplus, moved
        limit = self.yaw_limit_deg
        return consult_frame(self.generator, self.networks, *pictures, yaw_deg=yaw_deg, yaw_limit_deg=limit)

    def picture(self) -> NDArray[np.uint8]:
        """Render the photo's own code in full size, u1 [R, R, 3]."""
        return rendering.render(self.generator, self.wplus, consultation=self(self.wplus))[0]

    def along(self, yaw_deg: NDArray) -> Callable[[Tensor, int], Consultation | None]:
        """Return the `consult` of `rendering.frames` for a path whose frames turn by `yaw_deg` [T]."""
        return lambda moved, index: self(moved, float(yaw_deg[index]))


def consultant(
    generator: PretrainedGenerator,
    checkpoints: Sequence[str],
    photo: NDArray[np.uint8],
    wplus: NDArray,
    *,
    yaw_limit_deg: float,
) -> Consultant:
    """Make the consultant of an aligned photo u1 [R, R, 3]; `checkpoints` has the networks' path or none."""
    networks = [load(weights.read_checkpoint(path), device=generator.device) for path in checkpoints]
    size = generator.draft_size
    image = to_float(resize(photo[None], size))
    code = torch.as_tensor(wplus)
    return Consultant(generator, next(iter(networks), None), image, code, yaw_limit_deg)


def fade(yaw_deg: Tensor, *, limit_deg: float) -> Tensor:
    """Share of the consultation kept at a turn of `yaw_deg`: 1 up to half the limit, 0 from the limit on.

    ADA has learned to undo perspective warps of 15 % of the half side. A turned head uncovers skin that the
    still never showed and carries the map further than that; the map then stays behind as a ghost (HFGI's
    authors answer pose edits with an alignment of their own that they did not publish, issue 2).
    """
    return (2 * (1 - yaw_deg.abs().float() / limit_deg)).clamp(0, 1)
