"""The trained parts of a work directory in memory, for commands that move a face themselves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import d2a_core
from d2a_core.directions import ball
from d2a_core.faces import detectors, face_resnet, landmarks
from d2a_core.fan import closed_loop, groups, image_loss, image_space
from d2a_core.fan import origins as fan_origins
from d2a_core.fan.closed_loop import Animator
from d2a_core.generator import generator, latent_prior, origins
from d2a_core.generator.generator import PretrainedGenerator
from d2a_core.store import arrays, lineage, weights

MODELS = Path("data/assets")  # in the work directory


def distilled(work: Path, whole: Mapping[str, Any]) -> Path:
    """Folder of what was distilled for the configuration `whole`."""
    return fan_origins.distilled(whole, d2a_core.ROOT, work)


def load_animator(work: Path, whole: Mapping[str, Any], *, threads: int) -> Animator:
    """FAN, its generator and the loss of its gradient steps, as the configuration `whole` has them.

    They lie in the folder `work`; `threads` 0 means all cores.
    """
    folder, models = distilled(work, whole), work / MODELS
    directions, base = folder / "directions" / "directions.zarr", folder / "fan" / "all" / "base.pt"
    network = _load_generator(work, folder, whole, threads)
    lineage.check(network.identity, directions, base)
    looks = landmarks.Options(**whole["landmarks"])
    detector = detectors.load_detector(looks, models / "mediapipe-face", device="cpu", threads=threads)
    size = whole["generator"]["draft_size"]
    loss = image_loss.ImageLoss(
        network,
        detectors.differentiable(detector, without=", and so do the controls of a face"),
        face_resnet.load(models / "dlib-face" / face_resnet.FILE),
        latent_prior.fit(network),
        image_space.Options(**whole["fan"]["image"]).weights,
        size=size,
    )
    state = weights.read_checkpoint(base)
    return Animator(
        network,
        detector,
        groups.load([state], device="cpu"),
        ball.from_store(arrays.read_zarr(directions, ball.STORED)),
        size,
        loss,
        closed_loop.facts(network, state),
    )


def _load_generator(work: Path, folder: Path, whole: Mapping[str, Any], threads: int) -> PretrainedGenerator:
    section = dict(whole["generator"])
    choice = origins.Options(**{key: section.pop(key) for key in ("name", "checkpoints", "runtime")})
    origin = origins.find(choice, cache=work / "results" / ".state" / "sha256.json")
    return generator.load(
        generator.Options(**section),
        work / origin.model,
        draft=folder / "generator" / "draft.zarr",
        device="cpu",
        threads=threads,
        runtime=choice.runtime,
    )
