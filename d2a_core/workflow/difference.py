"""Compare two results folders; report the first artefact that differs and how.

Bytes are compared first, and only what differs there is opened.
"""

import filecmp
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d2a_core import STAGES
from d2a_core.store import manifests
from d2a_core.store.kinds import kind_of
from d2a_core.workflow import contents

NOT_RESULTS = ("logs", "benchmarks")
MISSING, SHAPE, VALUES = "missing", "shape", "values"
PROVENANCE, ENCODING, DAMAGED = "provenance", "encoding", "damaged"
SHOWN = 3  # arrays or facts told of one artefact
LONGEST = 24  # characters of a value


@dataclass(frozen=True)
class Difference:
    """Difference of one artefact: `kind` is one of the words above, `detail` a phrase."""

    kind: str
    detail: str


@dataclass(frozen=True)
class Stage:
    """Artefacts of a stage: how many there are in either run, and those that differ, in order."""

    name: str
    artefacts: int
    differing: tuple[tuple[str, Difference], ...]


def compare(first: Path, second: Path, *, values_only: bool = False) -> list[Stage]:
    """Compare two results folders in the order of the stages.

    With `values_only`, artefacts that differ in provenance or encoding alone count as equal. Raises
    ValueError when a folder holds no stage.
    """
    paths = sorted(set(artefacts(first)) | set(artefacts(second)), key=_order)
    ignored = {PROVENANCE, ENCODING} if values_only else set()
    stages = []
    for name, group in itertools.groupby(paths, key=lambda path: Path(path).parts[0]):
        members = list(group)
        found = ((path, differ(first / path, second / path)) for path in members)
        kept = tuple((path, how) for path, how in found if how is not None and how.kind not in ignored)
        stages.append(Stage(name, len(members), kept))
    return stages


def artefacts(results: Path) -> Iterator[str]:
    """Find all artefacts below a results folder; a store counts as one. Raises ValueError for none."""
    if not any((results / stage).is_dir() for stage in STAGES):
        raise ValueError(f"{results} holds no stage; give a results folder, such as results")
    return _below(results, results)


def _below(folder: Path, results: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (path.is_dir() and path.name in NOT_RESULTS):
            continue
        if path.is_dir() and path.suffix != ".zarr":
            yield from _below(path, results)
        else:
            yield path.relative_to(results).as_posix()


def _order(path: str) -> tuple:
    """Sort key: stages in their order, also inside an ablation; other files last."""
    parts = Path(path).parts
    places = [STAGES.index(part) if part in STAGES else len(STAGES) for part in parts[:3]]
    return (places[0], parts[1] if parts[0] == "ablations" else "", places[2:], path)


def differ(first: Path, second: Path) -> Difference | None:
    """Compare two artefacts of the same name; None where they are equal."""
    for path, other in ((first, "second"), (second, "first")):
        if not path.exists():
            return Difference(MISSING, f"only in the {other}")
    if _same_bytes(first, second):
        return None
    try:
        if kind_of(first) == "video":
            return _differ_in_video(first, second)
        return differ_in_content(contents.read(first), contents.read(second))
    except (ValueError, OSError) as error:
        return Difference(DAMAGED, " ".join(str(error).split()))


def _same_bytes(first: Path, second: Path) -> bool:
    if first.is_file() and second.is_file():
        return first.stat().st_size == second.stat().st_size and filecmp.cmp(first, second, shallow=False)
    if not (first.is_dir() and second.is_dir()):
        return False
    names = manifests.contents(first)
    return names == manifests.contents(second) and all(
        _same_bytes(first / name, second / name) for name in names
    )


def differ_in_content(first: contents.Content, second: contents.Content) -> Difference:
    """Compare two artefacts that are not the same bytes."""
    return (
        (_differ_in_lines(first, second) if first.noun == second.noun == "line" else None)
        or _differ_in_shape(first.values, second.values)
        or _differ_in_values(first.values, second.values, first.noun)
        or _differ_in_facts(first.provenance, second.provenance)
        or Difference(ENCODING, "other bytes, the same content")
    )


def _differ_in_lines(first: contents.Content, second: contents.Content) -> Difference | None:
    pairs = itertools.zip_longest(first.values["text"], second.values["text"], fillvalue="nothing")
    for number, (one, two) in enumerate(pairs, start=1):
        if one != two:
            return Difference(VALUES, f"line {number}: {_short(one)} → {_short(two)}")
    return None


def _differ_in_shape(first: Mapping[str, NDArray], second: Mapping[str, NDArray]) -> Difference | None:
    told = [f"{name} only in the first" for name in first if name not in second]
    told += [f"{name} only in the second" for name in second if name not in first]
    for name in first.keys() & second.keys():
        one, two = _form(first[name]), _form(second[name])
        if one != two:
            told.append(f"{name} is {one} and {two}")
    return Difference(SHAPE, _several(sorted(told))) if told else None


def _form(array: NDArray) -> str:
    kind = "text" if array.dtype.kind in "US" else str(array.dtype)
    return f"{kind} {list(array.shape)}"


def _differ_in_values(
    first: Mapping[str, NDArray], second: Mapping[str, NDArray], noun: str
) -> Difference | None:
    told = []
    for name in first:
        found = _unequal(first[name], second[name])
        if found.any():
            row = int(np.argmax(found.reshape(len(found), -1).any(axis=1))) if found.ndim else 0
            told.append(f"{name} {_amount(first[name], second[name], found, row, noun)}")
    return Difference(VALUES, _several(told)) if told else None


def _unequal(first: NDArray, second: NDArray) -> NDArray:
    """Mask of the elements in which two arrays differ; NaN equals NaN."""
    unequal = np.asarray(first != second)
    if first.dtype.kind in "fc":
        unequal &= ~(np.isnan(first) & np.isnan(second))
    return unequal


def _amount(first: NDArray, second: NDArray, found: NDArray, row: int, noun: str) -> str:
    """Describe how far two arrays are apart, and from where on."""
    if first.dtype.kind in "US" or first.shape == (1,):
        one, two = (_short(str(array[row])) for array in (first, second))
        return f"{one} → {two}" if first.shape == (1,) else f"differs first in {noun} {row}: {one} → {two}"
    apart = np.abs(first[found].astype(np.float64) - second[found].astype(np.float64))
    largest = "NaN on one side" if np.isnan(apart).any() else f"{apart.max():.3g}"
    place = f", first in {noun} {row}" if first.ndim else ""
    return f"by up to {largest}{place}, {int(found.sum()):,} of {found.size:,} values"


def _differ_in_facts(first: Mapping[str, Any], second: Mapping[str, Any]) -> Difference | None:
    none = "nothing"
    told = [
        f"{name} {_short(str(first.get(name, none)))} → {_short(str(second.get(name, none)))}"
        for name in sorted(first.keys() | second.keys())
        if first.get(name, none) != second.get(name, none)
    ]
    return Difference(PROVENANCE, _several(told)) if told else None


def _differ_in_video(first: Path, second: Path) -> Difference:
    """Compare two videos frame by frame, never holding more than one frame of each."""
    (shape, facts), (other_shape, other_facts) = contents.video_facts(first), contents.video_facts(second)
    if told := _differ_in_values(shape, other_shape, "row"):
        return Difference(SHAPE, told.detail)
    start, largest, count, changed = None, 0, 0, 0
    for one, two in itertools.zip_longest(contents.frames(first), contents.frames(second)):
        if one is None or two is None:
            return Difference(SHAPE, f"the {'first' if one is None else 'second'} ends after {count} frames")
        if not np.array_equal(one, two):
            start, changed = count if start is None else start, changed + 1
            largest = max(largest, int(np.abs(one.astype(np.int16) - two).max()))
        count += 1
    if start is not None:
        detail = f"pictures by up to {largest} of 255, first in frame {start}, {changed} of {count} frames"
        return Difference(VALUES, detail)
    return _differ_in_facts(facts, other_facts) or Difference(ENCODING, "other bytes, the same pictures")


def _several(told: Sequence[str]) -> str:
    rest = len(told) - SHOWN
    return "; ".join([*told[:SHOWN], *([f"and {rest} more"] if rest > 0 else [])])


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def show(stages: Iterable[Stage], *, everything: bool = False) -> str:
    """Print the first difference, then each stage with the first one of every kind, or all."""
    stages = list(stages)
    lines = []
    for stage in stages:
        kinds = Counter(how.kind for _, how in stage.differing)
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        count = f"{len(stage.differing)} of {stage.artefacts} differ ({told})"
        lines.append(f"{stage.name}: {count if kinds else f'{stage.artefacts} equal'}")
        firsts = {how.kind: (path, how) for path, how in reversed(stage.differing)}
        shown = stage.differing if everything else [firsts[kind] for kind in kinds]
        lines += [f"  {path}: {how.kind}: {how.detail}" for path, how in shown]
    found = [f"{path}: {how.kind}: {how.detail}" for stage in stages for path, how in stage.differing]
    return "\n".join([f"first difference: {found[0]}" if found else "equal", "", *lines])
