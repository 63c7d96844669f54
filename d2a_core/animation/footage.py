"""Stage `footage`: turn a video of a face into a path of codes, and back, so that it can be edited.

The paper's section 5 names video editing and says no more. Every frame is inverted with its neighbours' help:
FAN leads from the code of one frame to pose and expression of all others, and what is left to say is found
by gradients that start where the frame before ended. Frames that were inverted each by itself would differ in
all that does not move, and flicker.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

from d2a_core.animation import animations
from d2a_core.faces import paste
from d2a_core.faces.alignment import Crop, extract
from d2a_core.faces.schemes import scheme_of
from d2a_core.fan import closed_loop
from d2a_core.generator import rendering
from d2a_core.generator.drafts import AnchoredDraft
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.generator.latent_prior import LatentPrior
from d2a_core.generator.rendering import to_float
from d2a_core.inversion import image_losses
from d2a_core.media import resampling, sheets, similarity
from d2a_core.media.video_reading import Frame
from d2a_core.runtime import Progress

FIRST_ROUNDS = 15  # times that the first frame is gone over
STRUCTURE_WEIGHT = 0.5  # of 1 - MS-SSIM, beside L1 on a pyramid
PRIOR_WEIGHT = 0.05  # pull to the path that FAN found
NEIGHBOUR_WEIGHT = 0.5  # pull to the offset of the frame before; more is steadier, less is closer
LOW = 1 / 16  # of the picture's side: sigma of the blur below which colour and light are the footage's own
SMALL = 256  # px, side at which that difference is taken
COLUMNS, TILE = 8, 256  # of the contact sheet
REACH = 1  # frames before and after one that its mask covers too


@dataclass(frozen=True)
class Options:
    """Config section `footage`."""

    steps: int
    learning_rate: float


def crops(quads: NDArray, size: int) -> list[Crop]:
    """Crops of all frames, from the column `quad` [T, 4, 2] of a driving table."""
    return [Crop(quad.astype(np.float64), size) for quad in quads]


def aligned(frames: Iterable[Frame], places: Sequence[Crop]) -> Iterator[NDArray[np.uint8]]:
    """Cut out the face of every frame, as faces of the generator lie: u1 [size, size, 3]."""
    for frame, crop in zip(frames, places, strict=False):  # a container may announce one frame too many
        yield extract(frame.image, crop)


@dataclass(frozen=True)
class Found:
    """Clip inside the generator: `wplus` [T, K, D] and the `loss` [T] of its frames on drafts."""

    wplus: Tensor
    loss: NDArray[np.float32]

    def arrays(self) -> dict[str, NDArray]:
        """Arrays to store."""
        return {"wplus": self.wplus.numpy(), "loss": self.loss}

    @property
    def figures(self) -> dict[str, float]:
        """Means over the clip: the loss, and how far a code is from its neighbours' middle."""
        middle = (self.wplus[2:] + self.wplus[:-2]) / 2
        tremor = (self.wplus[1:-1] - middle).norm(dim=2).mean() if len(self.wplus) > 2 else torch.zeros(())
        return {"loss": float(self.loss.mean()), "tremor": float(tremor)}


def as_it_moves(settings: animations.Options) -> animations.Options:
    """Let a clip follow itself: its own landmarks, whatever the config asks of other drivers."""
    return replace(
        settings,
        motion="absolute",
        neutral_s=None,
        motion_scale=1.0,
        pose_scale=1.0,
        expression_scale=1.0,
        refinements=0,  # FAN is near enough: the pixels of each frame say the rest
    )


def refine(
    generator: PretrainedGenerator,
    path: closed_loop.LatentPath,
    faces: Iterable[NDArray[np.uint8]],
    prior: LatentPrior,
    options: Options,
    *,
    progress: Progress | None = None,
) -> Found:
    """Find codes that show the `faces` u1 [S, S, 3], drafts in size, from a `path` that has their motion.

    The offset from the path, in the whitened coordinates of `prior`, goes on from frame to frame with the
    moments of its optimizer; the first frame is gone over `FIRST_ROUNDS` times, so that no colour fades in.
    On drafts it minimises the L1 distance over a pyramid, STRUCTURE_WEIGHT·(1 - MS-SSIM),
    PRIOR_WEIGHT·mean(d²) for the offset d, so that it says no more than the footage asks for, and
    NEIGHBOUR_WEIGHT·mean(e²) for its change e since the frame before.
    """
    moved = rendering.apply(path.wplus, path.delta).to(prior.mean)
    offset = torch.zeros_like(moved[:1]).requires_grad_()
    codes: list[Tensor] = []
    losses: list[float] = []
    optimizer = torch.optim.Adam([offset], lr=options.learning_rate)
    for start, face in zip(moved.split(1), faces, strict=True):
        photo, known = to_float(face[None]).to(prior.mean), prior.encode(start)
        for _ in range(1 if codes else FIRST_ROUNDS):
            loss = _approach(generator, photo, known, offset, optimizer, prior, steps=options.steps)
        codes.append(prior.decode(known + offset.detach()))
        losses.append(loss)
        if progress is not None:
            progress.advance(1, loss=losses[-1])
    return Found(torch.cat(codes).cpu(), np.array(losses, np.float32))


def _approach(
    generator: PretrainedGenerator,
    photo: Tensor,
    known: Tensor,
    offset: Tensor,
    optimizer: torch.optim.Optimizer,
    prior: LatentPrior,
    *,
    steps: int,
) -> float:
    """Move the `offset` from the code `known` towards a `photo`; return the loss before the last step."""
    before = offset.detach().clone()
    draft = AnchoredDraft(generator, prior.decode(known + before))
    loss = torch.tensor(0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        image = draft(prior.decode(known + offset))
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


def retake(
    frames: Iterable[Frame],
    places: Sequence[Crop],
    shown: Iterable[NDArray[np.uint8]],
    wanted: Iterable[NDArray[np.uint8]],
    points: NDArray,
    edited: NDArray,
) -> Iterator[NDArray[np.uint8]]:
    """Put the edited face in the place of the old one: frames u1 [H, W, 3], both sides even.

    `shown` and `wanted` are the renders of the code of each frame and of the edited one, u1 [R, R, 3]; what
    the first lacks of the footage's colour and light is added to the second. `points` and `edited` [T, P, 2]
    are landmarks of both as fractions of the aligned picture: the mask of a frame covers both faces, and
    those of its neighbours.
    """
    scheme = scheme_of(points.shape[1])
    rows = zip(frames, places, shown, wanted, strict=False)
    for index, (frame, crop, old, new) in enumerate(rows):
        near = slice(max(0, index - REACH), index + REACH + 1)
        mask = paste.face_mask(np.concatenate((points[near], edited[near])), scheme, size=paste.DRAWN)
        face = tinted(new, extract(frame.image, Crop(crop.quad, SMALL)), old)
        yield paste.paste_back(frame.image, face, Crop(crop.quad, len(face)), mask)


def tinted(
    picture: NDArray[np.uint8], footage: NDArray[np.uint8], shown: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Tint a `picture` u1 [R, R, 3] by the colour and light that `shown` lacks of `footage` [S, S, 3].

    `shown` is u1 [R, R, 3] and `footage` u1 [S, S, 3]. The difference of the two is blurred, so that it has
    no features of its own.
    """
    side = len(footage)
    lacking = footage.astype(np.float32) - resampling.resize(shown[None], side)[0]
    smooth = gaussian_filter(lacking, (LOW * side, LOW * side, 0), mode="nearest")
    full = functional.interpolate(
        torch.from_numpy(smooth).permute(2, 0, 1)[None],
        picture.shape[:2],
        mode="bilinear",
        align_corners=False,
    )
    return np.rint(picture + full[0].permute(1, 2, 0).numpy()).clip(0, 255).astype(np.uint8)


def draw(
    animator: closed_loop.Animator, found: Found, faces: Iterable[NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Draw a contact sheet u1 [H, W, 3]: the footage over its codes, at even times."""
    count = len(found.wplus)
    moments = sorted({round(moment) for moment in np.linspace(0, count - 1, min(COLUMNS, count))})
    above = [resampling.resize(face[None], TILE)[0] for index, face in enumerate(faces) if index in moments]
    below = rendering.render(animator.generator, found.wplus[moments], animator.size)
    rows = [above, list(resampling.resize(below, TILE))]
    captions = [f"frame {moment}" for moment in moments]
    return sheets.grid(rows, captions_left=["footage", "codes"], captions_top=captions, tile=TILE)


def renders(generator: PretrainedGenerator, codes: Tensor) -> Iterator[NDArray[np.uint8]]:
    """Render codes [T, K, D] in full size, u1 [R, R, 3], one at a time."""
    for code in codes.split(1):
        yield rendering.render(generator, code)[0]
