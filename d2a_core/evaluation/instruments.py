"""The detectors and the embedder that a job of the evaluation looks at faces with."""

from dataclasses import dataclass
from pathlib import Path

from d2a_core.faces import detectors, identity
from d2a_core.faces.dlib_landmarks import DlibLandmarks, SecondDetector
from d2a_core.faces.identity import Embedder
from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.runtime import Job


@dataclass(frozen=True)
class Instruments:
    """All of them; the `second` detector takes part in nothing but the evaluation."""

    detector: LandmarkDetector
    embedder: Embedder
    second: SecondDetector

    @property
    def facts(self) -> dict[str, str]:
        """What the provenance of an artefact says of them."""
        return {
            "identity": self.embedder.name,
            "detector": self.detector.name,
            "second_detector": self.second.name,
        }


def of_job(job: Job, *seen: str | Path) -> Instruments:
    """Load those of a Snakemake job: params `landmarks` and `identity`, inputs `models` and `identity`.

    Raises ValueError when something was `seen` by another detector, or the embedder cannot be had.
    """
    return beside(detectors.of_job(job, *seen), job)


def beside(detector: LandmarkDetector, job: Job) -> Instruments:
    """Load the others of a job beside a detector that it has: params `identity`, input `identity`."""
    return Instruments(detector, identity.of_job(job), DlibLandmarks(job.input.identity))
