"""Choose and load the landmark detector that the config names."""

from dataclasses import replace
from pathlib import Path

from d2a_core import runtime
from d2a_core.faces.facemesh import FaceMeshDetector
from d2a_core.faces.landmarks import DifferentiableDetector, LandmarkDetector, Options
from d2a_core.store import lineage


def load_detector(options: Options, folder: str | Path, *, device: str, threads: int) -> LandmarkDetector:
    """The back end that `options.detector` names; `folder` holds the MediaPipe models."""
    if options.detector == FaceMeshDetector.name:
        return FaceMeshDetector(options, Path(folder), device=device, threads=threads)
    if options.detector == "face-alignment":
        from d2a_core.faces.face_alignment_68 import FaceAlignmentDetector

        return FaceAlignmentDetector(options, Path(folder), device=device, threads=threads)
    raise ValueError(f"landmarks.detector is {options.detector!r}; choose 'facemesh' or 'face-alignment'")


WITHOUT = ", or set fan.loss to latent and animations.refinements to 0"  # what does without gradients


def differentiable(detector: LandmarkDetector, *, without: str = WITHOUT) -> DifferentiableDetector:
    """The detector, whose points have gradients; raises ValueError when those of this one have none.

    `without` tells what else could be done.
    """
    if isinstance(detector, DifferentiableDetector):
        return detector
    raise ValueError(
        f"landmarks.detector is {detector.name!r}, which has no gradients; image space needs 'facemesh'"
        f"{without}"
    )


def of_job(job: runtime.Job, *seen: str | Path, box: str | None = None) -> LandmarkDetector:
    """Load the detector of a Snakemake job from its params `landmarks` and input `models`.

    `box` replaces that of the params. Raises ValueError when something was `seen` by another detector.
    """
    options = Options(**job.params.landmarks)
    options = replace(options, box=box) if box else options
    lineage.check_detector(options.detector, *seen)
    return load_detector(options, job.input.models, **runtime.hardware(job))
