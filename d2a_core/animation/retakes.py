"""Footage with another face: codes moved to what is asked, and laid on the frames that they come from."""

import logging
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation import animations, edits
from d2a_core.animation.footage_goals import Take
from d2a_core.faces import paste, stitching
from d2a_core.faces.alignment import Crop, extract
from d2a_core.faces.schemes import scheme_of
from d2a_core.faces.stitching import Stitcher
from d2a_core.fan import closed_loop
from d2a_core.generator import rendering
from d2a_core.media.video_reading import Frame
from d2a_core.store import tables

FITTED = 5  # codes of a clip that drafts of its face are fitted to


def lead(
    animator: closed_loop.Animator,
    still: Tensor,
    source: pyarrow.Table,
    codes: Tensor,
    take: Take,
    options: animations.Options,
    *,
    log: logging.Logger,
) -> Tensor:
    """Lead the person of footage with `codes` [T, K, D] to what a `take` asks, by gradient steps too.

    Returns codes [T, K, D]. All frames start from the face `still` [1, K, D], whose landmarks are in the
    table `source`: what its person does in the footage is in the first layers of the codes, and would shine
    through; codes that are free in these break where they move far. Light and skin are in the late layers,
    which are the footage's.
    """
    moved = animator.fan.architecture.layers
    start = torch.cat((still[:, :moved].expand(len(codes), -1, -1), codes[:, moved:]), dim=1)
    points = np.repeat(tables.points_array(source), len(codes), axis=0).astype(np.float32)
    delta = edits.along(
        animator,
        start,
        points,
        take.goal,
        most_poses=options.poses,
        steps=options.refinements,
        shot=animations.shots(take.table),
        log=log,
    )
    return rendering.apply(start, delta)


def retaken(
    animator: closed_loop.Animator,
    frames: Iterable[Frame],
    codes: Tensor,
    moved: Tensor,
    take: Take,
) -> Iterator[NDArray[np.uint8]]:
    """Frames u1 [H, W, 3] of footage with `codes` [T, K, D], whose faces are `moved` [T, K, D].

    They are moved as `take` asks. Colour and light are compared on drafts of this face.
    """
    network, size = animator.followed.generator, animator.size
    rows = np.unique(np.linspace(0, len(codes) - 1, FITTED).round().astype(int))
    near = network.around(codes[rows])
    yield from retake(
        frames,
        tables.points_array(take.table, "quad"),
        take.points,
        (rendering.render(near, code, size)[0] for code in codes.split(1)),
        stitching.looked_at(
            rendering.frames(network, moved, torch.zeros_like(moved)), animator.detector, take.goal[0]
        ),
        shares=take.shares,
    )


def retake(
    frames: Iterable[Frame],
    quads: NDArray,
    points: NDArray,
    shown: Iterable[NDArray[np.uint8]],
    wanted: Iterable[tuple[NDArray[np.uint8], NDArray]],
    *,
    shares: NDArray | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Put the edited face in the place of the old one: frames u1 [H, W, 3], both sides even.

    `points` [T, P, 2] are landmarks of the footage as fractions of the aligned pictures at `quads` [T, 4, 2].
    `shown` are renders of the code of each frame, u1 [R, R, 3] of any size, and `wanted` those of the edited
    one in full size with their landmarks [P, 2]. Hair and neck of each frame are bent after the face, and
    what its code lacks of colour and light is added: see `stitching.Stitcher`, for the `shares` [P] too.
    """
    scheme = scheme_of(points.shape[1])
    for frame, quad, here, old, (new, there) in zip(frames, quads, points, shown, wanted, strict=False):
        place = Crop(quad.astype(np.float64), len(new))
        face = Stitcher(extract(frame.image, place), old, here, scheme, shares=shares)(new, there)
        yield paste.paste_back(frame.image, face, place, stitching.reach(here, size=paste.DRAWN))
