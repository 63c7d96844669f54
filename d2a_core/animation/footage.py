"""Stage `footage`: turn a video of a face into a path of codes, so that it can be edited.

The paper's section 5 names video editing and says no more. Every frame is inverted with its neighbours' help:
FAN leads from the code of one frame to pose and expression of all others, and what is left to say is found
by gradients that start where the frame before ended. Frames that were inverted each by itself would differ in
all that does not move, and flicker.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from d2a_core.animation import animations, occlusion
from d2a_core.animation.cast import Cast
from d2a_core.animation.filters import runs
from d2a_core.faces import paste
from d2a_core.faces.alignment import Crop, extract
from d2a_core.faces.schemes import scheme_of
from d2a_core.fan import closed_loop
from d2a_core.generator import rendering
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.generator.latent_prior import LatentPrior
from d2a_core.generator.rendering import to_float
from d2a_core.inversion import image_losses
from d2a_core.media import resampling, sheets, similarity
from d2a_core.media.video_reading import Frame
from d2a_core.runtime import Progress
from d2a_core.store import tables

FIRST_ROUNDS = 14  # times that the first frame is gone over before all others are
SHARED = 64  # frames that have drafts in common
FITTED = 5  # codes of them that these are fitted to
FITTED_EVERY = 5  # rounds over the first frame after which its own are fitted anew
BETAS = (0.8, 0.99)  # of Adam: memories of a few steps, and of those of some frames
OUTSIDE_WEIGHT = 0.15  # of what lies beside the face
STRUCTURE_WEIGHT = 0.5  # of 1 - MS-SSIM, beside L1 on a pyramid
PRIOR_WEIGHT = 0.05  # pull to the path that FAN found
NEIGHBOUR_WEIGHT = 0.5  # pull to the offset of the frame before; more is steadier, less is closer
COLUMNS, TILE = 8, 256  # of the contact sheet


@dataclass(frozen=True)
class Options:
    """Config section `footage`."""

    steps: int
    learning_rate: float


@dataclass(frozen=True)
class Seen:
    """Frames of a clip that show a face: `points` [N, P, 2], number of the `stretch` [N], `places` [N]."""

    points: NDArray[np.float32]
    stretch: NDArray[np.int64]
    places: list[Crop]


def seen(table: pyarrow.Table, people: Cast, *, size: int) -> Seen:
    """Take those frames out of the table of a clip; faces are cut out at `size` px."""
    rows = people.rows
    quads = tables.points_array(table, "quad")[rows].astype(np.float64)
    return Seen(tables.points_array(table)[rows], people.stretch[rows], [Crop(quad, size) for quad in quads])


def follow(
    animator: closed_loop.Animator, people: Cast, frames: Seen, options: animations.Options, *, rate_hz: float
) -> closed_loop.LatentPath:
    """Path of the `people` of a clip as they move in it, by FAN alone: near enough, pixels say the rest."""
    codes, rest = people.faces()
    goal = animations.calmed(frames.points, rate_hz, options, shot=frames.stretch)
    return closed_loop.lead_clip(animator, codes, rest.astype(np.float32), goal)


def aligned(frames: Iterable[Frame], places: Sequence[Crop]) -> Iterator[NDArray[np.uint8]]:
    """Cut out the face of every frame, as faces of the generator lie: u1 [size, size, 3]."""
    for frame, crop in zip(frames, places, strict=False):  # a container may announce one frame too many
        yield extract(frame.image, crop)


@dataclass(frozen=True)
class Found:
    """Clip inside the generator: `wplus` [T, K, D] and the `loss` [T] of its frames on drafts.

    `hidden` [T, S, S] is what lies before the faces: see `occlusion.hidden`.
    """

    wplus: Tensor
    loss: NDArray[np.float32]
    hidden: NDArray[np.float32]

    def arrays(self) -> dict[str, NDArray]:
        """Arrays to store."""
        return {"wplus": self.wplus.numpy(), "loss": self.loss, "hidden": self.hidden}

    @property
    def figures(self) -> dict[str, float]:
        """Means over the clip: the loss, and how far a code is from its neighbours' middle."""
        middle = (self.wplus[2:] + self.wplus[:-2]) / 2
        tremor = (self.wplus[1:-1] - middle).norm(dim=2).mean() if len(self.wplus) > 2 else torch.zeros(())
        return {"loss": float(self.loss.mean()), "tremor": float(tremor)}


def refine(
    generator: PretrainedGenerator,
    path: closed_loop.LatentPath,
    faces: Iterable[NDArray[np.uint8]],
    points: NDArray,
    prior: LatentPrior,
    options: Options,
    *,
    stretch: NDArray,
    progress: Progress | None = None,
) -> Found:
    """Find codes that show the `faces` u1 [S, S, 3], drafts in size, from a `path` that has their motion.

    The offset from the path, in the whitened coordinates of `prior`, goes on from frame to frame with the
    moments of its optimizer, and starts anew in each `stretch` [T]; its first frame is gone over
    `FIRST_ROUNDS` times before, so that no colour fades in. On drafts that `SHARED` frames have in common it
    minimises the L1 distance over a pyramid, STRUCTURE_WEIGHT·(1 - MS-SSIM), PRIOR_WEIGHT·mean(d²) for the
    offset d, so that it says no more than the footage asks for, and NEIGHBOUR_WEIGHT·mean(e²) for its change
    e since the frame before. What lies outside the face, whose landmarks are `points` [T, P, 2], counts by
    `OUTSIDE_WEIGHT`: it stays the footage's. So does what lies before a face: where the code of the frame
    before shows something else over an area, nothing is learned.
    """
    known = prior.encode(rendering.apply(path.wplus, path.delta).to(prior.mean))
    scheme, stream = scheme_of(points.shape[1]), iter(faces)
    codes: list[Tensor] = []
    losses: list[float] = []
    hidden: list[NDArray[np.float32]] = []
    for run in runs(stretch):
        offset = torch.zeros_like(known[:1]).requires_grad_()
        optimizer = torch.optim.Adam([offset], lr=options.learning_rate, betas=BETAS)
        for index, here in enumerate(known[run].split(1)):
            face, place = next(stream), points[run][index]
            photo = to_float(face[None]).to(prior.mean)
            mask = paste.face_mask(place[None], scheme, size=len(face))
            share = torch.from_numpy(OUTSIDE_WEIGHT + (1 - OUTSIDE_WEIGHT) * mask).to(prior.mean)
            for turn in range(0 if index else FIRST_ROUNDS):
                if turn % FITTED_EVERY == 0:
                    near = _around(generator, prior, here, offset.detach())
                _approach(near, photo, share, here, offset, optimizer, prior, steps=options.steps)
            if index % SHARED == 0:
                near = _around(generator, prior, known[run][index : index + SHARED], offset.detach())
            if index:  # the first frame of a stretch is all that is known of its face
                before = _hidden(near, prior.decode(here + offset.detach()), face, place)
                share = share * (1 - _as_large(before, len(face)).to(share))
            losses.append(_approach(near, photo, share, here, offset, optimizer, prior, steps=options.steps))
            codes.append(prior.decode(here + offset.detach()))
            hidden.append(_hidden(near, codes[-1], face, place))
            if progress is not None:
                progress.advance(1, loss=losses[-1])
    return Found(torch.cat(codes).cpu(), np.array(losses, np.float32), np.stack(hidden))


def _hidden(
    generator: PretrainedGenerator, code: Tensor, face: NDArray[np.uint8], points: NDArray
) -> NDArray[np.float32]:
    """What is hidden of a face u1 [S, S, 3] with landmarks [P, 2], by its code [1, K, D]."""
    shown = rendering.render(generator, code.cpu(), len(face))[0]
    return occlusion.hidden(face, shown, points, scheme_of(len(points)))


def _as_large(mask: NDArray[np.float32], size: int) -> Tensor:
    """A mask [S, S] at another size, [size, size]."""
    wide = functional.interpolate(torch.from_numpy(mask)[None, None], size=(size, size), mode="bilinear")
    return wide[0, 0]


def _around(
    generator: PretrainedGenerator, prior: LatentPrior, known: Tensor, offset: Tensor
) -> PretrainedGenerator:
    """The generator with drafts of the face that some frames show, `known` [N, K, D] and an `offset`."""
    rows = np.unique(np.linspace(0, len(known) - 1, FITTED).round().astype(int))
    return generator.around(prior.decode(known[rows] + offset))


def _approach(
    generator: PretrainedGenerator,
    photo: Tensor,
    share: Tensor,
    known: Tensor,
    offset: Tensor,
    optimizer: torch.optim.Optimizer,
    prior: LatentPrior,
    *,
    steps: int,
) -> float:
    """Move the `offset` from the code `known` towards a `photo`; return the loss before the last step.

    `share` [S, S] is how much of the picture counts at each place.
    """
    before = offset.detach().clone()
    loss = torch.tensor(0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        image = generator.synthesize(prior.decode(known + offset), photo.shape[-1])
        image = photo + share * (image - photo)
        structure = 1 - similarity.ms_ssim((image + 1) / 2, (photo + 1) / 2)
        loss = (
            image_losses.pyramid_distance(image, photo)
            + STRUCTURE_WEIGHT * structure
            + PRIOR_WEIGHT * offset.square().mean()
            + NEIGHBOUR_WEIGHT * (offset - before).square().mean()
        )
        loss.backward()
        optimizer.step()
    return loss.item()


def draw(
    animator: closed_loop.Animator, found: Found, faces: Iterable[NDArray[np.uint8]], rows: NDArray
) -> NDArray[np.uint8]:
    """Draw a contact sheet u1 [H, W, 3]: the footage over its codes, at some of the frames `rows` [N]."""
    count = len(found.wplus)
    moments = sorted({round(moment) for moment in np.linspace(0, count - 1, min(COLUMNS, count))})
    above = [resampling.resize(face[None], TILE)[0] for index, face in enumerate(faces) if index in moments]
    below = rendering.render(animator.generator, found.wplus[moments], animator.size)
    both = [above, list(resampling.resize(below, TILE))]
    captions = [f"frame {rows[moment]}" for moment in moments]
    return sheets.grid(both, captions_left=["footage", "codes"], captions_top=captions, tile=TILE)
