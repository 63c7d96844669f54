"""What makes previews, in memory: for `d2a animate --preview` and the studio."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import runtime
from d2a_core.animation import animations, previews
from d2a_core.animation.previews import Subject
from d2a_core.animation.retiming import Times
from d2a_core.commands import loading
from d2a_core.faces import detectors, landmarks, photo_alignment, reference
from d2a_core.faces.mediapipe import FaceModels
from d2a_core.faces.photo_alignment import Aligner
from d2a_core.generator import rendering
from d2a_core.inversion import encoder, inversion
from d2a_core.media import images, photos, video_reading, video_writing
from d2a_core.store import arrays, provenance, tables

LOG = logging.getLogger("d2a")


class Previewer:
    """FAN, the generator, the encoder where there is one, and the judges of likeness, loaded once."""

    def __init__(self, work: Path, whole: Mapping[str, Any], *, threads: int) -> None:
        """Load them from the work directory, as the configuration `whole` has them; `threads` 0 is all."""
        self.work, self.whole, self.threads = work, whole, threads
        self.animator = loading.load_animator(work, whole, threads=threads)
        mean = self.animator.generator.mean_w.expand(1, self.animator.generator.num_layers, -1)
        rendering.render(self.animator.generator, mean)  # compiled now, while a clip is tracked
        self.judges = inversion.load_judges(
            self.animator.detector, work / loading.MODELS / "dlib-face", device="cpu"
        )
        trained = loading.distilled(work, whole) / "inversion" / "encoder.pt"
        self.encoders = [str(trained)] if trained.exists() else []
        self.options = previews.Options(**whole["preview"])
        nested = ("paste_back", "comparison")  # sections within that one
        own = {key: value for key, value in whole["animations"].items() if key not in nested}
        self.animation = animations.Options(**own)

    def aligned(self, path: Path, face: int) -> NDArray[np.uint8]:
        """Crop the face of a photo as the workflow does: u1 [1024, 1024, 3]; `face` 0 is the largest."""
        options = photo_alignment.Options(path.stem, str(path), face)
        return photo_alignment.align(photos.read_photo(path), options, self._aligner, log=LOG).image

    def warm(self) -> None:
        """Load what finds faces on photos now; else it is loaded for the first one."""
        assert self._aligner

    @cached_property
    def _aligner(self) -> Aligner:
        looks = replace(landmarks.Options(**self.whole["landmarks"]), box="ffhq")
        hardware: runtime.Hardware = {"device": "cpu", "threads": self.threads}
        return Aligner(
            FaceModels(self._models, **hardware),
            detectors.load_detector(looks, self._models, **hardware),
            reference.read(loading.distilled(self.work, self.whole) / "landmarks" / "reference.zarr").layout,
        )

    @property
    def _models(self) -> Path:
        return self.work / loading.MODELS / "mediapipe-face"

    def hurried(self, photo: NDArray[np.uint8]) -> Subject:
        """The face of an aligned photo u1 [R, R, 3] with a code that was found in a hurry."""
        start = encoder.code_of(
            self.encoders,
            self._models,
            photo,
            num_layers=self.animator.generator.num_layers,
            device="cpu",
            threads=self.threads,
        )
        options = inversion.Options(**self.whole["inversion"])
        return previews.of_photo(self.animator, self.judges, photo, start, options, self.options)

    def subject(self, folder: Path) -> Subject:
        """The face whose aligned photo lies in a `folder` of the sources, with its code or a quick one."""
        photo = images.read_image(folder / "aligned.png")
        if not (folder / "inversion.zarr").exists():
            return self.hurried(photo)
        wplus = arrays.read_zarr(folder / "inversion.zarr", ["wplus"])["wplus"]
        return previews.of_code(self.animator, wplus, photo, self.options)

    def behind(self, subject: Subject, table: Path, clip: Path, output: Path) -> None:
        """Write how a face moves behind a `clip`, whose landmarks are in a driving `table`; its sound too."""
        driver, rate = tables.read_parquet(table), video_reading.probe(clip).rate
        delta, times = previews.behind(
            self.animator, subject, driver, rate, self.animation, self.options, log=LOG
        )
        self._write(subject, delta, times, output, audio=clip, slow_motion=self.animation.slow_motion)

    def moves(self, subject: Subject, output: Path) -> None:
        """Write how a face turns, blinks, speaks and smiles."""
        self._write(subject, *previews.moves(self.animator, subject, self.options), output)

    def _write(self, subject: Subject, delta: Tensor, times: Times, output: Path, **sound: Any) -> None:
        facts = provenance.provenance(stage="preview", options=self.options, **self.animator.facts)
        video_writing.write_frames(
            previews.frames(self.animator, subject, delta, self.animation.surroundings, self.options),
            output,
            rate=times.rate,
            metadata=video_writing.provenance(facts),
            progress=runtime.Progress(LOG, "preview", len(delta), unit="frames"),
            **sound,
        )
