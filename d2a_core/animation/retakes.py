"""Footage with another face: renders laid on its frames.

All frames of a person who is driven start from one face. A code of each frame would hold what the person does
in it, which shines through under a driver; and codes that are free in their first layers copy a frame better
and break where they move far.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation.footage_goals import Take
from d2a_core.faces import paste, stitching
from d2a_core.faces.alignment import Crop, extract
from d2a_core.faces.schemes import scheme_of
from d2a_core.faces.stitching import Stitcher
from d2a_core.fan import closed_loop
from d2a_core.generator import rendering
from d2a_core.media import resampling
from d2a_core.media.video_reading import Frame
from d2a_core.store import tables

LOW = 0.1  # of the side: sigma of the blur of colour and light where codes show the footage by FAN alone
LEAST = 256  # px, side at which faces are put together at least
FITTED = 5  # codes of a clip that drafts of its face are fitted to


def as_shown(animator: closed_loop.Animator, still: NDArray, source: pyarrow.Table, take: Take) -> Tensor:
    """Codes [T, K, D] of the face `still` [1, K, D] as it moves in the footage itself, by FAN alone.

    Its landmarks are in the table `source`.
    """
    codes = torch.from_numpy(still).expand(len(take.points), -1, -1)
    points = np.repeat(tables.points_array(source), len(codes), axis=0).astype(np.float32)
    return rendering.apply(codes, closed_loop.lead(animator, codes, points, take.points).delta)


def retaken(
    animator: closed_loop.Animator,
    frames: Iterable[Frame],
    codes: Tensor,
    moved: Tensor,
    take: Take,
    *,
    low: float = stitching.LOW,
) -> Iterator[NDArray[np.uint8]]:
    """Frames u1 [H, W, 3] of footage with `codes` [T, K, D], whose faces are `moved` [T, K, D].

    They are moved as `take` asks. Colour and light, all that a blur of `low` of the side leaves, are compared
    on drafts of this face.
    """
    network, size = animator.followed.generator, animator.size
    rows = np.unique(np.linspace(0, len(codes) - 1, FITTED).round().astype(int))
    near, quads = network.around(codes[rows]), tables.points_array(take.table, "quad")
    side = working_size(quads, network.resolution)
    full = rendering.frames(network, moved, torch.zeros_like(moved))
    small = (resampling.resize(picture[None], side)[0] for picture in full)
    yield from retake(
        frames,
        quads,
        take.points,
        (rendering.render(near, code, size)[0] for code in codes.split(1)),
        stitching.looked_at(small, animator.detector, take.goal[0]),
        shares=take.shares,
        low=low,
    )


def working_size(quads: NDArray, resolution: int) -> int:
    """Side in px at which faces at `quads` [T, 4, 2] of frames are put together.

    It is that of the generator, halved as long as no face has more pixels in its frame: no more are seen.
    """
    most = max(Crop(quad.astype(np.float64), resolution).side for quad in quads)
    return resolution >> max(0, int(np.log2(resolution / max(most, LEAST))))


def retake(
    frames: Iterable[Frame],
    quads: NDArray,
    points: NDArray,
    shown: Iterable[NDArray[np.uint8]],
    wanted: Iterable[tuple[NDArray[np.uint8], NDArray]],
    *,
    shares: NDArray | None = None,
    low: float = stitching.LOW,
) -> Iterator[NDArray[np.uint8]]:
    """Put the edited face in the place of the old one: frames u1 [H, W, 3], both sides even.

    `points` [T, P, 2] are landmarks of the footage as fractions of the aligned pictures at `quads` [T, 4, 2].
    `shown` are renders of the code of each frame, u1 [R, R, 3] of any size, and `wanted` those of the edited
    one, of one size, with their landmarks [P, 2]. Hair and neck of each frame are bent after the face, and
    what its code lacks of colour and light is added: see `stitching.Stitcher`, for `shares` and `low` too.
    """
    scheme = scheme_of(points.shape[1])
    for frame, quad, here, old, (new, there) in zip(frames, quads, points, shown, wanted, strict=False):
        place = Crop(quad.astype(np.float64), len(new))
        stitcher = Stitcher(extract(frame.image, place), old, here, scheme, shares=shares, low=low)
        face = stitcher(new, there)
        yield paste.paste_back(frame.image, face, place, stitching.reach(here, size=paste.DRAWN))
