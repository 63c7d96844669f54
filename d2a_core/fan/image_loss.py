"""What a step in W+ should do, measured on the picture that it leads to, with gradients.

The landmarks of the target, the identity of the source, and nothing else changed. Landmarks do not determine
a step; the mean of all steps behind a change of landmarks, which equation 5 asks for, carries age, hair and
backdrop with it.
"""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import runtime
from d2a_core.faces import detectors, dlib_identity, face_mask, face_resnet
from d2a_core.faces.landmarks import DifferentiableDetector, LandmarkDetector, Look
from d2a_core.faces.schemes import Scheme
from d2a_core.generator import latent_prior, rendering
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.generator.latent_prior import LatentPrior
from d2a_core.runtime import Job

PART_WEIGHTS = {"contour": 0.5, "brows": 1.0, "nose": 1.0, "eyes": 2.0, "mouth": 2.0}  # of a point, relative
LIDS_WEIGHT, LIPS_WEIGHT = 2.2, 1.5  # of the gaps of an eye's lids and of the lips, where the gaze has 1
FARTHEST = 0.3  # landmark error, in inter-ocular distances, from which one is an error of detection
STRANGER = 1.0  # squared distance of embeddings that counts at most; dlib puts strangers beyond 0.36
FITTED = 4  # codes, beside that of a face at rest, to which its drafts are fitted
BLUR = 4.0  # px, of the edge between the face and what should stay
LOOKS: tuple[Look, ...] = ("straight", "mirrored")  # by turns: what one errs to a side the other errs back
# Deviations of a crop: factor, px, radians. Without them a step moves the points of one crop, not the face.
REGION_SCALE, REGION_SHIFT, REGION_TURN = 0.08, 3.0, 0.05


@dataclass(frozen=True)
class Weights:
    """Weights of the terms, a section of the config; 0 leaves one out.

    `landmarks`: mean distance from the target's, in inter-ocular distances, parts weighted. `features`: mean
    error of the gaps of lids and lips and of the gaze, weighted (`told`), in the same unit. `identity`:
    squared distance of dlib's embeddings from the source's. `outside`: mean absolute change, in [-1, 1], of
    the picture outside both faces. `colour`: absolute change of the mean colour within them, mean over the
    channels. `prior`: squared length of Δw in deviations of w, mean over its layers.
    """

    landmarks: float
    features: float
    identity: float
    outside: float
    colour: float
    prior: float


@dataclass(frozen=True)
class Faces:
    """N faces to be moved: `wplus` [N, K, 512], the draft `image` u1 [N, S, S, 3], `points`, `embedding`.

    `points` [N, P, 2] are fractions of the side, `embedding` [N, 128] is dlib's.
    """

    wplus: Tensor
    image: Tensor
    points: Tensor
    embedding: Tensor

    def __getitem__(self, rows: Tensor | slice) -> "Faces":
        """Some of the faces."""
        return Faces(*(getattr(self, part.name)[rows] for part in fields(self)))

    def to(self, device: str) -> "Faces":
        """The same faces on another device."""
        return Faces(*(getattr(self, part.name).to(device) for part in fields(self)))

    @property
    def code(self) -> Tensor:
        """The w of each face, [N, 512], that FAN sees: that of its first layer."""
        return self.wplus[:, 0]


class ImageLoss:
    """Terms of the loss on drafts of `size` px."""

    def __init__(
        self,
        generator: PretrainedGenerator,
        detector: DifferentiableDetector,
        network: face_resnet.FaceResNet,
        prior: LatentPrior,
        weights: Weights,
        *,
        size: int,
    ) -> None:
        self.generator, self.detector, self.network = generator, detector, network
        self.prior, self.weights, self.size = prior, weights, size
        self.chunk = 1 if generator.device == "cpu" else generator.batch  # more fall out of a CPU's caches
        self.pool = ThreadPoolExecutor(runtime.threads() or 1, initializer=partial(torch.set_num_threads, 1))
        self.point_weights = point_weights(detector.scheme)
        self.corners = list(dlib_identity.five_points(detector.scheme))
        self.whiten, self.colour = prior.axes / prior.deviation, (prior.axes * prior.deviation).T

    def around(self, wplus: Tensor, delta: Tensor | None = None) -> "ImageLoss":
        """The same loss on drafts of one face, fitted to what it is and to where it is led (`drafts.own`).

        That is the first of `wplus` [1 or N, K, 512], and the first `FITTED` codes that `delta` [N, L, 512]
        leads to.
        """
        codes = wplus[:1]
        if delta is not None:
            led = wplus.expand(len(delta), -1, -1)[:FITTED]
            codes = torch.cat((codes, rendering.apply(led, delta[:FITTED].to(led))))
        other = copy.copy(self)
        other.generator = self.generator.around(codes)
        return other

    def faces(self, wplus: Tensor, points: NDArray) -> Faces:
        """Faces [N] with codes W+ [N, K, 512], whose drafts have the landmarks `points` [N, P, 2]."""
        images = torch.from_numpy(rendering.render(self.generator, wplus, self.size))
        return self.known(wplus, images, torch.from_numpy(np.asarray(points, np.float32)))

    def known(self, wplus: Tensor, images: Tensor, points: Tensor) -> Faces:
        """Faces [N] of which the drafts `images` u1 [N, S, S, 3] are known; see `faces`."""
        rows = zip(images.split(self.chunk), points.split(self.chunk), strict=True)
        with torch.no_grad():
            embedding = torch.cat([self.embed(self._there(image), face) for image, face in rows])
        return Faces(wplus, images, points, embedding).to(self.generator.device)

    def _there(self, images: Tensor) -> Tensor:
        """U1 [N, S, S, 3] → float [N, 3, S, S] in [-1, 1] on the device of the generator."""
        return rendering.to_float(images.to(self.generator.device))

    def embed(self, images: Tensor, points: Tensor) -> Tensor:
        """Embeddings [N, 128] of images [N, 3, S, S] with landmarks [N, P, 2], which are taken as known."""
        chips = [
            face_resnet.chips((image[None] + 1) * 127.5, face[self.corners].double())
            for image, face in zip(images, points.detach().cpu(), strict=True)
        ]
        return self.network(torch.cat(chips))[1]

    def mask(self, faces: Faces, goal: Tensor) -> Tensor:
        """Draw masks [N, 1, S, S] of what should stay: 1 outside the face as it is and as it should be."""
        both = [
            face_mask.outside(points.cpu().numpy(), self.size, blur=BLUR) for points in (faces.points, goal)
        ]
        return torch.from_numpy(np.minimum(*both))[:, None].to(self.generator.device)

    def terms(
        self,
        faces: Faces,
        delta: Tensor,
        goal: Tensor,
        mask: Tensor,
        *,
        look: Look = "both",
        jitter: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Weighted terms, [N] each, of faces [N] moved by `delta` [N, L, 512] towards `goal` [N, P, 2].

        `mask` is that of `mask`. `look` says which looks of the detector are taken, `jitter` [N, 4], standard
        normal numbers, moves the crops that it sees.
        """
        image = self.generator.synthesize(rendering.apply(faces.wplus, delta), self.size)
        regions = self.detector.regions(image.detach())
        if jitter is not None:
            regions = jittered(regions, jitter)
        seen = self.detector.points(image, regions, look=look)
        left, right = self.detector.scheme.outer_eyes
        ocular = (goal[:, left] - goal[:, right]).norm(dim=-1)
        error = ((seen - goal).norm(dim=-1) * self.point_weights.to(seen)).mean(dim=1) / ocular
        missed = told(seen, self.detector.scheme) - told(goal, self.detector.scheme)
        changed = image - self._there(faces.image)
        step = delta @ self.whiten.to(delta)
        raw = {
            "landmarks": error.clamp(max=FARTHEST),
            "features": (missed.abs().mean(dim=1) / ocular).clamp(max=FARTHEST),
            "identity": (self.embed(image, seen) - faces.embedding).square().sum(dim=1).clamp(max=STRANGER),
            "outside": _mean_within(changed.abs(), mask).mean(dim=1),
            "colour": _mean_within(changed, 1 - mask).abs().mean(dim=1),
            "prior": step.square().sum(dim=2).mean(dim=1),
        }
        return {name: getattr(self.weights, name) * term for name, term in raw.items()}


def of_job(
    job: Job, generator: PretrainedGenerator, detector: LandmarkDetector, weights: Weights
) -> ImageLoss:
    """Load the loss of a Snakemake job: input `identity`, on drafts of the size in params `generator`.

    Raises ValueError when the detector has no gradients.
    """
    (folder,) = [job.input.identity] if isinstance(job.input.identity, str) else job.input.identity
    network = face_resnet.load(Path(folder) / face_resnet.FILE).to(generator.device)
    return ImageLoss(
        generator,
        detectors.differentiable(detector),
        network,
        latent_prior.fit(generator),
        weights,
        size=job.params.generator["draft_size"],
    )


def means(
    loss: ImageLoss,
    faces: Faces,
    delta: Tensor,
    goal: Tensor,
    mask: Tensor,
    *,
    look: Look,
    jitter: Tensor | None = None,
) -> dict[str, Tensor]:
    """Mean of each term over N faces moved by `delta` [N, L, 512]; the gradient of their sum reaches `delta`.

    A CPU takes several faces through the generator one a thread: faster than all threads on one after the
    other, and the bits do not depend on their number. A single face has the threads of the caller.
    """
    learns = delta.requires_grad

    def look_at(rows: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
        leaf = delta[rows].detach().requires_grad_(learns)
        crops = None if jitter is None else jitter[rows]
        with torch.set_grad_enabled(learns):
            found = loss.terms(faces[rows], leaf, goal[rows], mask[rows], look=look, jitter=crops)
            if learns:
                torch.stack(list(found.values())).sum().backward()
        return {name: term.detach().sum().cpu() / len(delta) for name, term in found.items()}, leaf.grad

    chunks = torch.arange(len(delta)).split(loss.chunk)
    parts = list(loss.pool.map(look_at, chunks) if len(chunks) > 1 else map(look_at, chunks))
    sums = {name: torch.stack([found[name] for found, _ in parts]).sum() for name in parts[0][0]}
    if learns:
        gradients = torch.cat([gradient for _, gradient in parts if gradient is not None])
        carried = (delta * gradients / len(delta)).sum()
        sums["landmarks"] = sums["landmarks"] + carried - carried.detach()
    return sums


def _mean_within(images: Tensor, mask: Tensor) -> Tensor:
    """Mean of each channel of images [N, 3, S, S] where a mask [N, 1, S, S] is 1: [N, 3]."""
    return (images * mask).sum(dim=(2, 3)) / mask.sum(dim=(2, 3)).clamp(min=1)


def point_weights(scheme: Scheme) -> Tensor:
    """Weight of each landmark [P], 1 on average."""
    weights = torch.ones(scheme.size)
    for part, weight in PART_WEIGHTS.items():
        weights[list(scheme.parts[part])] = weight
    return weights / weights.mean()


def features(points: Tensor, scheme: Scheme) -> Tensor:
    """Small things that tell an expression, [N, F] of `points` [N, P, 2], in fractions of the side.

    The gaps of left eye, right eye and lips, each a mean over its pairs; then, where the scheme has pupils,
    how far each is right of and below the middle of its eye corners.
    """
    left = [pair for pair in scheme.lids if pair[0] in scheme.left_eye]
    right = [pair for pair in scheme.lids if pair[0] in scheme.right_eye]
    values = []
    for pairs in (left, right, scheme.lips):
        upper, lower = map(list, zip(*pairs, strict=True))
        values.append((points[:, lower] - points[:, upper]).norm(dim=-1).mean(dim=1, keepdim=True))
    for pupil, corners in zip(scheme.pupils or (), (scheme.left_corners, scheme.right_corners), strict=False):
        values.append(points[:, pupil] - points[:, list(corners)].mean(dim=1))
    return torch.cat(values, dim=1)


def told(points: Tensor, scheme: Scheme) -> Tensor:
    """The `features` [N, F] of points [N, P, 2] as the loss weights them."""
    found = features(points, scheme)
    weights = torch.ones(found.shape[1])
    weights[:3] = torch.tensor([LIDS_WEIGHT, LIDS_WEIGHT, LIPS_WEIGHT])
    return found * weights.to(found)


def jittered(regions: Tensor, jitter: Tensor) -> Tensor:
    """Regions [N, 4] (x, y, side, angle) moved, resized and turned by standard normal `jitter` [N, 4]."""
    x, y, side, angle = regions.T
    shift_x, shift_y, scale, turn = jitter.to(regions).T
    return torch.stack(
        (
            x + REGION_SHIFT * shift_x,
            y + REGION_SHIFT * shift_y,
            side * (1 + REGION_SCALE * scale.clamp(-1.5, 1.5)),
            angle + REGION_TURN * turn,
        ),
        dim=1,
    )
