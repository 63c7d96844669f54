"""The detector and the embedder that a job of the evaluation looks at faces with."""

from dataclasses import dataclass
from pathlib import Path

from d2a_core.faces import detectors, identity
from d2a_core.faces.identity import Embedder
from d2a_core.faces.landmarks import LandmarkDetector
from d2a_core.runtime import Job


@dataclass(frozen=True)
class Instruments:
    """Both of them."""

    detector: LandmarkDetector
    embedder: Embedder

    @property
    def facts(self) -> dict[str, str]:
        """What the provenance of an artefact says of them."""
        return {"identity": self.embedder.name, "detector": self.detector.name}


def of_job(job: Job, *seen: str | Path) -> Instruments:
    """Load those of a Snakemake job: params `landmarks` and `identity`, inputs `models` and `identity`.

    Raises ValueError when something was `seen` by another detector, or the embedder cannot be had.
    """
    return Instruments(detectors.of_job(job, *seen), identity.of_job(job))
