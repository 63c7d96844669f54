"""Choose and load the landmark detector that the config names."""

from pathlib import Path

from d2a_core.faces.facemesh import FaceMeshDetector
from d2a_core.faces.landmarks import LandmarkDetector, Options


def load_detector(options: Options, folder: str | Path, *, device: str, threads: int) -> LandmarkDetector:
    """The back end that `options.detector` names; `folder` holds the MediaPipe models."""
    if options.detector == "facemesh":
        return FaceMeshDetector(options, Path(folder), threads=threads)
    if options.detector == "face-alignment":
        from d2a_core.faces.face_alignment_68 import FaceAlignmentDetector

        return FaceAlignmentDetector(options, Path(folder), device=device, threads=threads)
    raise ValueError(f"landmarks.detector is {options.detector!r}; choose 'facemesh' or 'face-alignment'")
