"""Render a step in W+ (paper, equations 1 and 7)."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.generator.contract import Consultation
from d2a_core.generator.generator import Generator


def apply(wplus: Tensor, delta: Tensor) -> Tensor:
    """W + Δw on the first L of all K layers: [N, K, 512] and [N, L, 512] → [N, K, 512]."""
    moved = wplus.clone()
    moved[:, : delta.shape[1]] += delta
    return moved


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """Float [N, 3, H, W] in [-1, 1] → u1 [N, H, W, 3], clipped and rounded."""
    scaled = (images.detach().float().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def render(
    generator: Generator,
    wplus: Tensor,
    size: int | None = None,
    *,
    consultation: Consultation | None = None,
) -> NDArray[np.uint8]:
    """Render images u1 [N, R, R, 3] of W+ [N, K, 512]; `size` asks for drafts.

    A `consultation` puts back what the codes do not hold (see `hfgi`).
    """
    with torch.no_grad():
        return to_uint8(generator.synthesize(wplus, size, consultation=consultation))


def frames(
    generator: Generator,
    wplus: Tensor,
    delta: Tensor,
    consult: Callable[[Tensor, int], Consultation | None] = lambda moved, index: None,
) -> Iterator[NDArray[np.uint8]]:
    """Full-size frames u1 [R, R, 3] of `wplus` [1 or T, K, 512] along `delta` [T, L, 512].

    One is rendered while the one before it is used, and no more, so that memory does not grow with the clip.
    `consult` gives the consultation for the code and the index of a frame.
    """

    def frame(index: int, w: Tensor, move: Tensor) -> NDArray[np.uint8]:
        moved = apply(w, move)
        return render(generator, moved, consultation=consult(moved, index))[0]

    with ThreadPoolExecutor(1, initializer=partial(torch.set_num_threads, torch.get_num_threads())) as beside:
        steps = zip(wplus.expand(len(delta), -1, -1).split(1), delta.split(1), strict=True)
        ahead: Future[NDArray[np.uint8]] | None = None
        for index, step in enumerate(steps):
            following = beside.submit(frame, index, *step)
            if ahead is not None:
                yield ahead.result()
            ahead = following
        if ahead is not None:
            yield ahead.result()


def to_float(images: NDArray[np.uint8] | Tensor) -> Tensor:
    """U1 [N, H, W, 3] → float [N, 3, H, W] in [-1, 1]."""
    return torch.as_tensor(images).permute(0, 3, 1, 2).float() / 127.5 - 1
