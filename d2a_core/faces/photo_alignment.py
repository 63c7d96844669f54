"""Find the face on a photo and crop it as FFHQ does."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from d2a_core import runtime
from d2a_core.faces import alignment, reference, remarks, search
from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.faces.mediapipe import FaceModels
from d2a_core.media.photos import Photo


@dataclass(frozen=True)
class Options:
    """One photo in the config section `sources`: `face` 0 or 1 is the largest on it, N the N-th largest."""

    name: str
    image: str
    face: int


@dataclass(frozen=True)
class Aligned:
    """A photo's face cropped as FFHQ's: `image` u1 [1024, 1024, 3], its `crop`, all `notes`."""

    image: NDArray[np.uint8]
    crop: alignment.Crop
    face: search.Face
    notes: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """Plain values of the alignment; the crop comes back from them by `alignment.crop_from_facts`."""
        measured = {"eye_distance_px": round(self.face.eye_distance, 1), "yaw": round(self.face.yaw, 1)}
        return {**self.crop.facts(), **measured, "notes": list(self.notes)}


@dataclass(frozen=True)
class Aligner:
    """Tools of aligning: models that search, a detector that looks again, and the place of sampled faces."""

    models: FaceModels
    detector: LandmarkDetector
    reference: alignment.Layout


def aligner(job: runtime.Job, detector: LandmarkDetector) -> Aligner:
    """Make the aligner of a Snakemake job: its inputs are `models` and `reference`."""
    models = FaceModels(job.input.models, **runtime.hardware(job))
    return Aligner(models, detector, reference.read(job.input.reference).layout)


def align(photo: Photo, options: Options, aligner: Aligner, *, log: logging.Logger) -> Aligned:
    """Find the face that `options` ask for and crop it; what the user should know is logged as warnings."""
    found = search.find(photo.image, aligner.models)
    if not found and (why := remarks.why_none(photo.image, aligner.models, path=options.image)):
        raise ValueError(why)
    face = search.choose(found, options.face, path=options.image)
    log.info("sources faces=%d eye_distance_px=%.0f yaw=%.0f", len(found), face.eye_distance, face.yaw)
    count = 1 if options.face else len(found)
    notes = (*photo.notes, *remarks.about(face, photo.image, path=options.image, count=count))
    for note in notes:
        log.warning("%s", note)
    crop = alignment.find_crop(photo.image, face.points, aligner.detector, aligner.reference)
    return Aligned(alignment.extract(photo.image, crop), crop, face, notes)


def align_all(
    named: Iterable[tuple[str, NDArray[np.uint8]]], aligner: Aligner, *, log: logging.Logger
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield name and the largest face u1 [1024, 1024, 3] of every picture u1 [H, W, 3]; see `align`.

    Where there is none the picture comes as it is, with a warning: one bad frame must not end an evaluation.
    """
    for name, image in named:
        options = Options(name=name, image=name, face=0)
        try:
            yield name, align(Photo(image, ()), options, aligner, log=log).image
        except ValueError as error:
            log.warning("%s", error)
            yield name, np.array(Image.fromarray(image).resize((alignment.SIZE,) * 2))
