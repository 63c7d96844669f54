"""What makes previews, in memory: for `d2a animate --preview` and the studio."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d2a_core import runtime
from d2a_core.animation import animations, previews
from d2a_core.animation.previews import Subject
from d2a_core.commands import loading
from d2a_core.inversion import encoder, inversion
from d2a_core.media import images, video_reading, video_writing
from d2a_core.store import arrays, provenance, tables


class Previewer:
    """FAN, the generator, the encoder where there is one, and the judges of likeness, loaded once."""

    def __init__(self, work: Path, whole: Mapping[str, Any], *, threads: int) -> None:
        """Load them from the work directory, as the configuration `whole` has them; `threads` 0 is all."""
        self.work, self.whole, self.threads = work, whole, threads
        self.animator = loading.load_animator(work, whole, threads=threads)
        self.judges = inversion.load_judges(
            self.animator.detector, work / loading.MODELS / "dlib-face", device="cpu"
        )
        trained = loading.distilled(work, whole) / "inversion" / "encoder.pt"
        self.encoders = [str(trained)] if trained.exists() else []
        self.options = previews.Options(**whole["preview"])
        nested = ("paste_back", "comparison")  # sections within that one
        own = {key: value for key, value in whole["animations"].items() if key not in nested}
        self.animation = animations.Options(**own)

    def subject(self, folder: Path) -> Subject:
        """The face whose aligned photo lies in a `folder` of the sources, with its code or a quick one."""
        photo = images.read_image(folder / "aligned.png")
        if (folder / "inversion.zarr").exists():
            wplus = arrays.read_zarr(folder / "inversion.zarr", ["wplus"])["wplus"]
            return previews.of_code(self.animator, wplus, photo, self.options)
        start = encoder.code_of(
            self.encoders,
            self.work / loading.MODELS / "mediapipe-face",
            photo,
            num_layers=self.animator.generator.num_layers,
            device="cpu",
            threads=self.threads,
        )
        options = inversion.Options(**self.whole["inversion"])
        return previews.of_photo(self.animator, self.judges, photo, start, options, self.options)

    def animate(self, subject: Subject, table: Path, clip: Path, output: Path) -> None:
        """Write how a face moves behind a `clip`, whose landmarks are in a driving `table`; its sound too."""
        log, rate = logging.getLogger("d2a"), video_reading.probe(clip).rate
        driver = tables.read_parquet(table)
        frames, times = previews.frames(
            self.animator, subject, driver, rate, self.animation, self.options, log=log
        )
        facts = provenance.provenance(stage="preview", options=self.options, **self.animator.facts)
        video_writing.write_frames(
            frames,
            output,
            rate=times.rate,
            audio=clip,
            slow_motion=self.animation.slow_motion,
            metadata=video_writing.provenance(facts),
            progress=runtime.Progress(log, "preview", len(times.time_s), unit="frames"),
        )
