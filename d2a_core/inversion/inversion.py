"""Stage `inversion`: find the code of a photograph in W+ (paper, section 3.2: ŵ of a real source).

Optimisation after Karras et al. (StyleGAN2, appendix D) and Tov et al. (e4e): first one code for all
layers, then an offset for each late one, in the whitened coordinates of `latent_prior`, pulled to the common
code and to the mean face. The layers that directions move keep one code, as in the faces that directions and
FAN were learned on: codes free in all layers copy a photo better and break when it opens its mouth.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core.faces import paste, stitching
from d2a_core.faces.dlib_identity import DlibEmbedder, five_points
from d2a_core.faces.landmarks import Detections, LandmarkDetector
from d2a_core.generator import latent_prior
from d2a_core.generator.drafts import AnchoredDraft
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.generator.latent_prior import LatentPrior
from d2a_core.inversion import consultant, quality, tuning
from d2a_core.inversion.image_losses import Likeness, Weights
from d2a_core.media import resampling, sheets
from d2a_core.runtime import Progress
from d2a_core.training import rate

ROUND = 15  # steps between two anchors of the drafts


@dataclass(frozen=True)
class Options:
    """Config section `inversion`."""

    method: str
    w_steps: int
    wplus_steps: int
    full_steps: int
    shared_layers: int
    surroundings_weight: float
    learning_rate: float
    least_gain: float
    pixel_weight: float
    structure_weight: float
    features_weight: float
    identity_weight: float
    prior_weight: float
    spread_weight: float
    tune: bool
    tune_steps: int
    tune_learning_rate: float
    locality_weight: float

    @property
    def weights(self) -> Weights:
        """Weights of the terms of the likeness."""
        return Weights(self.pixel_weight, self.structure_weight, self.features_weight, self.identity_weight)


@dataclass(frozen=True)
class Phase:
    """A run of the optimizer; `speed` multiplies the learning rate, `layers` frees every layer by itself."""

    name: str
    steps: int
    speed: float
    drafts: bool
    layers: bool


@dataclass(frozen=True)
class Code:
    """Code `wplus` [1, L, 512] and the loss at every step: rows of `phase` and the weighted terms by name."""

    wplus: NDArray[np.float32]
    history: list[dict[str, object]] = field(default_factory=list)


def phases(generator: PretrainedGenerator, options: Options, *, started: bool) -> list[Phase]:
    """List the phases of `optimize`: one code, codes by layer, and on the CPU some full-size steps.

    A GPU works at full size throughout. On the CPU most steps see drafts, which cost a tenth but do not
    depend on the last layers: those follow in the full-size steps. A given start needs no common code.
    """
    smaller = generator.draft is not None and generator.draft.size < generator.resolution
    drafts = smaller and generator.device == "cpu"
    plan = [
        Phase("w", 0 if started else options.w_steps, 2.0, drafts, False),
        Phase("wplus", options.wplus_steps, 1.0, drafts, True),
        Phase("full", options.full_steps if drafts else 0, 0.5, False, True),
    ]
    return [phase for phase in plan if phase.steps]


def optimize(
    generator: PretrainedGenerator,
    likeness: Likeness,
    prior: LatentPrior,
    options: Options,
    *,
    start: Tensor | None = None,
    progress: Progress | None = None,
) -> Code:
    """Find the code that comes nearest to the photo of `likeness`, from the mean face or `start` [1, L, 512].

    Minimises likeness + prior_weight·mean(c²) + spread_weight·mean(d²) over the whitened common code c
    and the offsets d of the layers after the `shared_layers`.
    """
    shape = (1, generator.num_layers, generator.w_dim)
    known = (torch.zeros(shape) if start is None else prior.encode(start.cpu())).to(prior.mean)
    shared = min(options.shared_layers, generator.num_layers - 1)
    common = known[:, : shared or None].mean(dim=1, keepdim=True).requires_grad_()
    offset = (known[:, shared:] - common).detach().requires_grad_()

    def code() -> Tensor:
        return prior.decode(torch.cat((common.expand(-1, shared, -1), common + offset), dim=1))

    def loss_terms(image: Tensor) -> dict[str, Tensor]:
        return likeness(image) | {
            "prior": options.prior_weight * common.square().mean(),
            "spread": options.spread_weight * offset.square().mean(),
        }

    history: list[dict[str, object]] = []
    for phase in phases(generator, options, started=start is not None):
        free = [common, offset] if phase.layers else [common]
        history += descend(generator, loss_terms, free, code, options, phase, progress=progress)
    return Code(code().detach().cpu().numpy(), history)


def descend(
    generator: PretrainedGenerator,
    loss_terms: Callable[[Tensor], dict[str, Tensor]],
    free: Sequence[Tensor],
    code: Callable[[], Tensor],
    options: Options,
    phase: Phase,
    *,
    progress: Progress | None = None,
) -> list[dict[str, object]]:
    """Run Adam on the tensors `free`, which make up `code()`; returns the terms of the loss at every step.

    Every `ROUND` steps the drafts are anchored anew; there the loss is that of the true image, and the phase
    ends when it has not fallen by `least_gain` since the last anchor.
    """
    optimizer = torch.optim.Adam(free, lr=options.learning_rate * phase.speed, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, phase.steps))
    history: list[dict[str, object]] = []
    picture: Callable[[Tensor], Tensor] = generator.synthesize
    before = math.inf
    for step in range(phase.steps):
        anchored = step % ROUND == 0
        if anchored and phase.drafts:
            picture = AnchoredDraft(generator, code().detach())
        terms = loss_terms(picture(code()))
        loss = sum(terms.values(), start=torch.zeros(()))
        figures = {name: term.item() for name, term in terms.items()}
        history.append({"phase": phase.name, "loss": loss.item(), **figures})
        if progress is not None:
            progress.advance(1, phase=phase.name, loss=loss.item())
        if anchored and loss.item() > (1 - options.least_gain) * before:
            break
        before = loss.item() if anchored else before
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return history


@dataclass(frozen=True)
class Inversion:
    """A photo inside the generator.

    `wplus` [1, L, 512], `loss` [steps], `detections` of the final `image`, `delta` the differences of weights
    that tuning made (empty without), `figures` one row of the table, `picture` the comparison to look at.
    """

    wplus: NDArray[np.float32]
    loss: NDArray[np.float32]
    detections: Detections
    delta: dict[str, Tensor]
    figures: dict[str, object]
    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class Judges:
    """The networks that look at faces: landmarks and identity."""

    detector: LandmarkDetector
    embedder: DlibEmbedder


def invert(
    generator: PretrainedGenerator,
    judges: Judges,
    photo: NDArray[np.uint8],
    options: Options,
    *,
    start: NDArray | None = None,
    strangers: float = math.nan,
    consultation: Sequence[str] = (),
    progress: Progress | None = None,
) -> Inversion:
    """Find the code of a `fitted` photo u1 [R, R, 3], tune the generator to it if asked to, and measure.

    `start` [1, L, 512] is what an encoder made of the photo, `strangers` how alike unrelated people are,
    `consultation` holds the path of HFGI's networks or none. Raises ValueError for a photo without a face.
    """
    began = time.monotonic()
    likeness = likeness_to(photo, judges, options)
    code = find_code(generator, likeness, options, start=start, progress=progress)
    delta = find_delta(generator, torch.from_numpy(code.wplus), likeness, options, progress=progress)
    seconds = time.monotonic() - began
    still = consultant.consultant(generator, consultation, photo, code.wplus, yaw_limit_deg=math.inf)
    pictures = _pictures(still, delta, method=options.method)
    detector, embedder = judges.detector, judges.embedder
    *_, last = pictures
    seen = detector.detect(pictures[last][None])
    if seen.found[0]:
        pictures["on the photo"] = _stitched(photo, pictures[last], detector)
    rows = {
        name: quality.compare(picture, photo, detector=detector, embedder=embedder)
        for name, picture in pictures.items()
    }
    stitched = rows.get("on the photo", dict.fromkeys(rows[last], math.nan))
    figures = {
        "method": options.method,
        "tuned": bool(delta),
        **rows[last],
        **{f"stitched_{name}": value for name, value in stitched.items()},
        "strangers": strangers,
        "seconds": seconds,
        "steps": len(code.history) + (options.tune_steps if delta else 0),
    }
    loss = np.array([row["loss"] for row in code.history], np.float32)
    return Inversion(code.wplus, loss, seen, delta, figures, draw(photo, pictures, rows, strangers=strangers))


def likeness_to(photo: NDArray[np.uint8], judges: Judges, options: Options) -> Likeness:
    """Likeness to a photo u1 [R, R, 3], above all of its face; raises ValueError for one without a face."""
    seen = judges.detector.detect(photo[None])
    if not seen.found[0]:
        raise ValueError("no face found on the aligned photo; give another photo or check its alignment")
    corners = seen.points[0][list(five_points(judges.detector.scheme))]
    face = paste.face_mask(seen.points, judges.detector.scheme, size=len(photo))
    share = options.surroundings_weight + (1 - options.surroundings_weight) * face
    return Likeness(photo, corners, judges.embedder.network, weights=options.weights, share=share)


def _stitched(
    photo: NDArray[np.uint8], still: NDArray[np.uint8], detector: LandmarkDetector
) -> NDArray[np.uint8]:
    """The face of a `still` u1 [R, R, 3] on its photo, without the photo's details, which would hide it."""
    return next(stitching.on_photo(photo, still, detector, kind="face").along([still], detector))


def _pictures(
    still: consultant.Consultant, delta: Mapping[str, Tensor], *, method: str
) -> dict[str, NDArray[np.uint8]]:
    """Full-size pictures u1 [R, R, 3] of a code: by its `method`, then `tuned` where there is a `delta`."""
    pictures = {method: still.picture()}
    if delta:
        with tuning.applied(still.generator, delta):
            pictures["tuned"] = still.picture()
    return pictures


def fitted(photo: NDArray[np.uint8], generator: PretrainedGenerator) -> NDArray[np.uint8]:
    """Bring an aligned photo u1 [S, S, 3] to the size of the generator's images: u1 [R, R, 3]."""
    return resampling.resize(photo[None], generator.resolution)[0]


def find_code(
    generator: PretrainedGenerator,
    likeness: Likeness,
    options: Options,
    *,
    start: NDArray | None,
    progress: Progress | None,
) -> Code:
    """Find the code by `options.method`."""
    if options.method == "optimize":
        known = torch.from_numpy(start) if start is not None else None
        prior = latent_prior.fit(generator)
        return optimize(generator, likeness, prior, options, start=known, progress=progress)
    if start is None:
        raise ValueError(f"inversion.method is {options.method!r}, which needs an encoder; choose 'optimize'")
    return Code(np.asarray(start, np.float32))


def find_delta(
    generator: PretrainedGenerator,
    wplus: Tensor,
    likeness: Likeness,
    options: Options,
    *,
    progress: Progress | None,
) -> dict[str, Tensor]:
    """Find differences of weights by pivotal tuning; empty when it is not asked for."""
    if not options.tune:
        return {}
    return tuning.tune(
        generator,
        wplus,
        likeness,
        steps=options.tune_steps,
        learning_rate=options.tune_learning_rate,
        locality_weight=options.locality_weight,
        progress=progress,
    )


def steps(options: Options) -> int:
    """Count the steps that an inversion takes at most, for its progress."""
    found = options.w_steps + options.wplus_steps + options.full_steps
    return found + (options.tune_steps if options.tune else 0)


def draw(
    photo: NDArray[np.uint8],
    pictures: Mapping[str, NDArray[np.uint8]],
    rows: Mapping[str, Mapping[str, float]],
    *,
    strangers: float,
) -> NDArray[np.uint8]:
    """Draw photo and reconstructions by name side by side, their figures below."""
    captions = [f"photo (strangers: identity {strangers:.3f})"] + [
        f"{name}: {row['psnr']:.1f} dB, MS-SSIM {row['ms_ssim']:.3f}, identity {row['identity']:.3f}"
        for name, row in rows.items()
    ]
    return sheets.side_by_side([photo, *pictures.values()], height=512, captions=captions)


def columns(inversion: Inversion) -> dict[str, list]:
    """Columns of a table of one row."""
    return {name: [value] for name, value in inversion.figures.items()}


def checkpoint(inversion: Inversion, facts: Mapping[str, object]) -> dict[str, object]:
    """Pack the tuning as it is stored."""
    return {"delta": inversion.delta, "provenance": facts}


def load_judges(detector: LandmarkDetector, folder: str | Path, *, device: str) -> Judges:
    """Load the judges; `folder` holds dlib's models."""
    embedder = DlibEmbedder(folder)
    embedder.network.to(device)
    return Judges(detector, embedder)
