"""Command `d2a verify`: read every byte of the artefacts in a folder and compare with their manifests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from d2a_core.runtime import Progress
from d2a_core.store import atomic, manifests

SHOWN = 5  # leftovers that are named
UNCHECKED = {"logs", "benchmarks", ".state"}  # folders that hold no artefacts


@dataclass
class Report:
    """Files that were read, and a sentence for each that is not as it was written."""

    artefacts: int = 0
    files: int = 0
    size: int = 0
    damages: list[str] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The report for people, the damages first."""
        yield from self.damages
        for path in self.unknown:
            yield f"{path} has no manifest, so nothing is known of it"
        if self.leftovers:
            listed = ", ".join(map(str, self.leftovers[:SHOWN]))
            yield (
                f"{len(self.leftovers)} leftovers of interrupted jobs; the next run removes those in "
                f"results/, others may be deleted when nothing is being fetched: {listed}"
            )
        yield f"{self.artefacts} artefacts, {self.files} files, {self.size / 1e6:.1f} MB: " + (
            f"{len(self.damages)} damaged" if self.damages else "as they were written"
        )


def verify(folders: Iterable[Path], progress: Progress | None = None) -> Report:
    """Compare all artefacts in `folders` with their manifests; raises ValueError when a folder is missing."""
    report = Report()
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"{folder} is no folder; give one with results, such as `results`")
        known = list(manifests.artefacts(folder))
        for path in known:
            _add(report, path)
            if progress is not None:
                progress.advance(1, damaged=len(report.damages))
        report.unknown += _unknown(folder, known)
        report.leftovers += atomic.leftovers(folder)
    return report


def _add(report: Report, path: Path) -> None:
    report.artefacts += 1
    try:
        facts = manifests.manifest(path) or {}
    except ValueError as error:
        report.damages.append(str(error))
        return
    report.files += len(facts)
    report.size += sum(file["bytes"] for file in facts.values())
    report.damages += manifests.damages(path)


def _unknown(folder: Path, known: Iterable[Path]) -> list[Path]:
    """Files that no manifest speaks of."""
    covered = set(known)
    files = (folder / name for name in manifests.contents(folder))
    return [
        path
        for path in files
        if path.relative_to(folder).parts[0] not in UNCHECKED and not covered & {path, *path.parents}
    ]
