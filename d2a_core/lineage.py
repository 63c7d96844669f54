"""Which generator an artefact was made with: results of different generators never mix."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from d2a_core import io


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
    facts = io.facts(path)
    try:
        return Identity(facts["generator"], facts["generator_sha256"])
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
