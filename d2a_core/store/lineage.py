"""Tell which generator and which detector an artefact was made with: results of different ones never mix."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2a_core.store import arrays, tables, weights


@dataclass(frozen=True)
class Identity:
    """A generator by the sha256 of the file it came in; its `name` is for readers."""

    name: str
    sha256: str

    @property
    def facts(self) -> dict[str, str]:
        """Facts on the generator for the provenance of an artefact."""
        return {"generator": self.name, "generator_sha256": self.sha256}

    def __str__(self) -> str:
        return f"{self.name} ({self.sha256[:12]})"


def of(path: str | Path) -> Identity:
    """Read which generator an artefact was made with; raises ValueError where it says none."""
    found = facts(path)
    try:
        return Identity(found["generator"], found["generator_sha256"])
    except KeyError:
        raise ValueError(
            f"{path} does not say with which generator it was made; delete it and snakemake recomputes it"
        ) from None


def check(identity: Identity, *paths: str | Path) -> None:
    """Raise ValueError unless all artefacts were made with that generator."""
    for path in paths:
        made = of(path)
        if made.sha256 != identity.sha256:
            raise ValueError(
                f"{path} was made with the generator {made} and cannot be used with {identity}; "
                f"delete it and snakemake recomputes it, or set generator.name back to {made.name}"
            )


def detector_of(path: str | Path) -> str | None:
    """Read which landmark detector an artefact was made with, None where it names none."""
    return facts(path).get("detector")


def check_detector(name: str, *paths: str | Path) -> None:
    """Raise ValueError where an artefact was made with another landmark detector than `name`."""
    for path in paths:
        made = detector_of(path) or name
        if made != name:
            raise ValueError(
                f"{path} was made with the landmark detector {made} and cannot be used with {name}; "
                f"delete it and snakemake recomputes it, or set landmarks.detector back to {made}"
            )


def shared(paths: Iterable[str | Path]) -> dict[str, str]:
    """Read the facts of the one generator, and the one detector, that all artefacts were made with.

    Raises ValueError when two differ, or one does not name its generator.
    """
    paths = list(paths)
    identity = of(paths[0])
    check(identity, *paths[1:])
    detector = shared_detector(paths)
    return identity.facts if detector is None else {**identity.facts, "detector": detector}


def shared_detector(paths: Iterable[str | Path]) -> str | None:
    """Read the one landmark detector that artefacts were made with; raises ValueError when two differ.

    None where none of them names one.
    """
    paths = list(paths)
    name = next(filter(None, map(detector_of, paths)), None)
    if name is not None:
        check_detector(name, *paths)
    return name


def facts(path: str | Path) -> dict[str, Any]:
    """Read how a store, a table or a checkpoint was made; {} where it does not say."""
    path = Path(path)
    if path.suffix == ".parquet":
        return tables.parquet_metadata(path)
    if path.suffix == ".pt":
        return weights.read_checkpoint(path).get("provenance", {})
    return arrays.zarr_attributes(path)


def shared_facts(paths: Iterable[str | Path]) -> dict[str, Any]:
    """Read how several artefacts were made; where two differ, the later one counts."""
    return {name: value for path in paths for name, value in facts(path).items()}
