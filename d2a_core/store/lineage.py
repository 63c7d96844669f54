"""Which generator an artefact was made with: results of different generators never mix."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d2a_core.store import arrays, tables, weights

if TYPE_CHECKING:
    pass

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """A generator by the sha256 of the file it came in; its `name` is for readers."""

    name: str
    sha256: str

    @property
    def facts(self) -> dict[str, str]:
        """What the provenance of an artefact says of its generator."""
        return {"generator": self.name, "generator_sha256": self.sha256}

    def __str__(self) -> str:
        return f"{self.name} ({self.sha256[:12]})"


def of(path: str | Path) -> Identity:
    """The generator that a store, table or checkpoint was made with; raises ValueError where it says none."""
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


def shared(paths: Iterable[str | Path]) -> Identity:
    """The one generator that all artefacts were made with; raises ValueError when they differ."""
    first, *others = paths
    identity = of(first)
    check(identity, *others)
    return identity


def facts(path: str | Path) -> dict[str, Any]:
    """What a store, a table or a checkpoint says of how it was made; {} where it says nothing."""
    path = Path(path)
    if path.suffix == ".parquet":
        return tables.parquet_metadata(path)
    return (
        weights.read_checkpoint(path).get("provenance", {})
        if path.suffix == ".pt"
        else arrays.zarr_attributes(path)
    )


def shared_facts(paths: Iterable[str | Path]) -> dict[str, Any]:
    """What several artefacts say of how they were made; of what two say, the later counts."""
    return {name: value for path in paths for name, value in facts(path).items()}
