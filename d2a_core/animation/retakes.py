"""Footage with another face: renders laid on its frames.

All frames of a person who is driven start from one face. A code of each frame would hold what the person does
in it, which shines through under a driver; and codes that are free in their first layers copy a frame better
and break where they move far.
"""

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.animation import animations, edits, occlusion
from d2a_core.animation.filters import runs
from d2a_core.animation.footage_goals import Take
from d2a_core.faces import paste, stitching
from d2a_core.faces.alignment import Crop, extract
from d2a_core.faces.schemes import scheme_of
from d2a_core.faces.stitching import Stitcher
from d2a_core.fan import closed_loop
from d2a_core.generator import rendering
from d2a_core.generator.generator import Generator
from d2a_core.media import resampling
from d2a_core.media.video_reading import Frame

LOW = 0.1  # of the side: sigma of the blur of colour and light where codes show the footage by FAN alone
LEAST = 256  # px, side at which faces are put together at least
FITTED = 5  # codes of a clip that drafts of its face are fitted to


def as_shown(animator: closed_loop.Animator, take: Take) -> Tensor:
    """Codes [N, K, D] of the people of a take as they move in the footage itself, by FAN alone."""
    codes, points = take.people.faces()
    return rendering.apply(codes, closed_loop.lead_clip(animator, codes, points, take.points).delta)


def led(
    animator: closed_loop.Animator, take: Take, options: animations.Options, *, log: logging.Logger
) -> Tensor:
    """Δw [N, L, 512] that leads the people of a take to its goal, each of them by themselves."""
    people, person, found = take.people, take.person, []
    for number in (numbers := np.unique(person)):
        here = person == number
        code, rest = people.wplus[[number]], people.points[[number]]
        path = animations.led(
            animator, code, rest, take.goal[here], options, shot=take.stretch[here], log=log
        )
        found.append(path.delta)
    return _gathered(found, person, numbers)


def edited(
    animator: closed_loop.Animator,
    codes: Tensor,
    take: Take,
    *,
    most_poses: int,
    steps: int,
    log: logging.Logger,
) -> Tensor:
    """Δw [N, L, 512] that leads the `codes` [N, K, D] of a take to its goal: see `edits.along`."""
    person, found = take.person, []
    for number in (numbers := np.unique(person)):
        here = person == number
        given = {"most_poses": most_poses, "steps": steps, "shot": take.stretch[here], "log": log}
        found.append(edits.along(animator, codes[here], take.points[here], take.goal[here], **given))
    return _gathered(found, person, numbers)


def _gathered(parts: Sequence[Tensor], person: NDArray, numbers: NDArray) -> Tensor:
    """Put what was found for each of the people `numbers` at the frames [N] of that `person`."""
    whole = torch.empty(len(person), *parts[0].shape[1:])
    for part, number in zip(parts, numbers, strict=True):
        whole[torch.from_numpy(person == number)] = part
    return whole


def as_arrays(take: Take, delta: Tensor) -> dict[str, NDArray]:
    """Arrays to store: `wplus` [S, K, 512] of the people, `person` [N] and `delta` [N, L, 512] of the faces.

    Their frames are `row` [N] and the landmarks asked of them `target` [N, P, 2]; `time_s` [T] are those of
    all frames.
    """
    faces: dict[str, NDArray] = {"person": take.person, "row": take.rows, "target": take.goal}
    return {"wplus": take.people.wplus, "time_s": take.time_s, "delta": delta.numpy(), **faces}


def retaken(
    animator: closed_loop.Animator,
    frames: Iterable[Frame],
    codes: Tensor,
    moved: Tensor,
    take: Take,
    *,
    details: bool,
) -> Iterator[NDArray[np.uint8]]:
    """Frames u1 [H, W, 3] of footage, those with a face as `take` asks, all others as they are.

    `codes` [N, K, D] are of the faces, and `moved` [N, K, D] of them as they should be. Codes that were found
    for each frame keep its `details`; of others, that show the person in its pose, drafts say which colour
    and light the frame has beside them.
    """
    given: list[Frame] = []
    one_at_a_time = (given.pop() for _ in itertools.repeat(None))
    made = itertools.chain.from_iterable(
        _retaken(animator, one_at_a_time, codes[run], moved[run], take, run, details=details)
        for run in runs(take.stretch)
    )
    place = {int(row): index for index, row in enumerate(take.rows)}
    for number, frame in enumerate(itertools.islice(frames, len(take.time_s))):
        if number in place:
            given.append(frame)
            yield faded(even(frame.image), next(made), take.share[place[number]])
        else:
            yield even(frame.image)


def even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture u1 [H, W, 3] without a last row or column that makes their number odd."""
    height, width = (length - length % 2 for length in image.shape[:2])
    return image[:height, :width]


def faded(before: NDArray[np.uint8], after: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """A share of one picture u1 [H, W, 3] over another."""
    if share == 1:
        return after
    return np.rint(before + share * (after.astype(np.float32) - before)).astype(np.uint8)


def _retaken(
    animator: closed_loop.Animator,
    frames: Iterable[Frame],
    codes: Tensor,
    moved: Tensor,
    take: Take,
    run: slice,
    *,
    details: bool,
) -> Iterator[NDArray[np.uint8]]:
    """One stretch of a take, the faces of its `run`."""
    network, quads = animator.followed.generator, take.quads[run]
    side = working_size(quads, network.resolution)
    yield from retake(
        frames,
        quads,
        take.points[run],
        _pictures(network, codes, side) if details else _drafts(animator, codes),
        stitching.looked_at(_pictures(network, moved, side), animator.detector, take.goal[run][0]),
        hidden=itertools.repeat(None) if take.hidden is None else take.hidden[run],
        shares=take.regions,
        details=details,
    )


def _pictures(network: Generator, codes: Tensor, side: int) -> Iterator[NDArray[np.uint8]]:
    """Full renders of codes [N, K, D], one at a time, brought to u1 [side, side, 3]."""
    for picture in rendering.frames(network, codes, torch.zeros_like(codes)):
        yield resampling.resize(picture[None], side)[0]


def _drafts(animator: closed_loop.Animator, codes: Tensor) -> Iterator[NDArray[np.uint8]]:
    """Drafts u1 [R, R, 3] of codes [N, K, D] of one face, one at a time."""
    rows = np.unique(np.linspace(0, len(codes) - 1, FITTED).round().astype(int))
    network = animator.followed.generator.around(codes[rows])
    for code in codes.split(1):
        yield rendering.render(network, code, animator.size)[0]


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
    hidden: Iterable[NDArray | None] = itertools.repeat(None),
    shares: NDArray | None = None,
    details: bool = False,
) -> Iterator[NDArray[np.uint8]]:
    """Put the edited face in the place of the old one: frames u1 [H, W, 3], both sides even.

    `points` [T, P, 2] are landmarks of the footage as fractions of the aligned pictures at `quads` [T, 4, 2].
    `shown` are renders of the code of each frame, u1 [R, R, 3] of any size, and `wanted` those of the edited
    one, of one size, with their landmarks [P, 2]. Hair and neck of each frame are bent after the face, and
    what its code lacks of colour and light is added: see `stitching.Stitcher`, for what is `hidden` of each
    and `shares` too. With `details` those of the frame are kept. What is hidden is found by itself where it
    is not given.
    """
    scheme = scheme_of(points.shape[1])
    # frames come last: none is taken from a clip that goes on behind these
    for quad, here, old, (new, there), before, frame in zip(
        quads, points, shown, wanted, hidden, frames, strict=False
    ):
        place = Crop(quad.astype(np.float64), len(new))
        photo = extract(frame.image, place)
        before = occlusion.hidden(photo, old, here, scheme) if before is None else before
        look = {"seen": here, "low": stitching.LOW} if details else {"low": LOW}
        stitcher = Stitcher(photo, old, here, scheme, shares=shares, hidden=before, **look)
        face = stitcher(new, there)
        yield paste.paste_back(frame.image, face, place, stitching.reach(here, size=paste.DRAWN))
