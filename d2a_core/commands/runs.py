"""Run plans: one Snakemake for all, whose results go where they are wanted as soon as they are made."""

import re
import shutil
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from d2a_core.store import atomic
from d2a_core.workflow.execution import Event, Workflow, run
from d2a_core.workflow.progress import Board, Failure, Run

RESUMES = "Stopped; the same command goes on where it stopped"


@dataclass(frozen=True)
class Plan:
    """Plan of a run: an `overlay` of the config, called `name`, and the `results` in the work directory.

    `copies` tells for the path of a copy which file of the user's it is, for messages. `wanted` says which
    result the user wants to have where.
    """

    name: str
    overlay: dict[str, Any]
    results: dict[str, str]
    copies: dict[str, str]
    wanted: dict[str, Path]

    @property
    def names(self) -> frozenset[str]:
        """Names of the sources and clips in the overlay."""
        lists = self.overlay.get("sources", []), *self.overlay.get("driving", {}).values()
        return frozenset(entry["name"] for entries in lists for entry in entries)


@dataclass(frozen=True)
class Outcome:
    """End of a request: the paths to show, by what they are, and why it failed; None where it did not."""

    paths: dict[str, Path]
    reason: str | None = None


@dataclass(frozen=True)
class Watcher:
    """Observer of a run.

    Progress goes to `stream` (None: stderr) as lines, and to `follow` several times a second as a whole.
    Setting `cancelled` ends the run as Ctrl-C would, with KeyboardInterrupt.
    """

    stream: TextIO | None = None
    follow: Callable[[Run], None] | None = None
    cancelled: threading.Event | None = None


class _Courier:
    """Copies what plans want to have elsewhere."""

    def __init__(self, plans: Sequence[Plan], work: Path) -> None:
        self._work = work
        self._left = [(plan, what) for plan in plans for what in plan.wanted]

    def bring(self, made: Collection[str], say: Callable[[str], None]) -> None:
        """Copy those of the results `made` that are still to be copied, and `say` so."""
        for plan, what in [(plan, what) for plan, what in self._left if plan.results[what] in made]:
            self._copy(plan, what)
            say(f"  {what}: {plan.wanted[what]}")

    def bring_rest(self, plan: Plan) -> None:
        """Copy what is left of a plan: results that were there before."""
        for what in [what for each, what in self._left if each is plan]:
            self._copy(plan, what)

    def _copy(self, plan: Plan, what: str) -> None:
        self._left = [entry for entry in self._left if entry[0] is not plan or entry[1] != what]
        _copy(self._work / plan.results[what], plan.wanted[what])


def carry_out(
    workflow: Workflow, plans: Sequence[Plan], log: Path, *, dry: bool, watcher: Watcher
) -> list[Outcome]:
    """Run the workflow for `plans` under a board; returns the end of each.

    Of several plans those that do not need what failed are carried out. Raises ValueError with the sentence
    of what failed where there is but one, or no job has begun.
    """
    copies = {copy: given for plan in plans for copy, given in plan.copies.items()}
    progress, stream = Run(workflow.work, names=copies), watcher.stream or sys.stderr
    board, courier = Board(progress, stream), _Courier(plans, workflow.work)

    def watch(events: list[Event]) -> None:
        progress.read(events) if dry else board.watch(events)
        courier.bring(progress.made, board.say)
        if watcher.follow is not None:
            watcher.follow(progress)

    try:
        code = run(workflow, *_words(plans, dry=dry), log=log, watch=watch, cancelled=watcher.cancelled)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(RESUMES) from None
    finally:
        board.close()
    if code:
        stream.write(f"Log: {log}\n")
        if len(plans) == 1 or not progress.failures:
            raise ValueError(_reason(progress, next(iter(progress.failures), None), log))
    if not progress.stages:
        stream.write("Every stage was done before\n")
    if dry:
        for stage in progress.stages.values():
            stream.write(f"would run {stage.name.replace('_', ' ')} ({stage.total})\n")
        return [Outcome({}) for _ in plans]
    return [_end(plan, _stopped(plan, plans, progress, log), progress, courier) for plan in plans]


def _words(plans: Sequence[Plan], *, dry: bool) -> list[str]:
    """Words for Snakemake: all targets, each once, and that of several plans one may fail."""
    targets = dict.fromkeys(result for plan in plans for result in plan.results.values())
    return [*targets, *(["--dry-run"] if dry else []), *(["--keep-going"] if len(plans) > 1 else [])]


def _stopped(plan: Plan, plans: Sequence[Plan], progress: Run, log: Path) -> str | None:
    """Reason why a plan was not carried out: what failed and has to do with no other source or clip."""
    if progress.made.issuperset(plan.results.values()):
        return None
    others = frozenset[str]().union(*(each.names for each in plans)) - plan.names
    own = [failure for failure in progress.failures if not failure.names & others]
    return _reason(progress, own[0], log) if own else None


def _end(plan: Plan, reason: str | None, progress: Run, courier: _Courier) -> Outcome:
    """End of a plan after the run, with what was there before; of one that failed, with what was made."""
    if reason is None:
        courier.bring_rest(plan)
    made = {what: path for what, path in plan.results.items() if reason is None or path in progress.made}
    shown = {what: plan.wanted.get(what, progress.folder / path) for what, path in made.items()}
    return Outcome(shown, reason)


def _reason(progress: Run, failure: Failure | None, log: Path) -> str:
    """Reason of a failed run, in one sentence; `failure` is None where no job has begun."""
    if failure is None:
        found = re.search(r"^(config: .+)$", progress.complaint, re.M)
        return found[1] if found else f"the workflow did not start; look at {log}"
    stage = failure.stage.replace("_", " ")
    silent = f"the stage '{stage}' ended without a word, perhaps for want of memory; look at {log}"
    return progress.sentence(failure) or silent


def _copy(path: Path, target: Path) -> None:
    """Copy a file or a folder to where the user wants it, whole or not at all."""
    with atomic.atomic_path(target, manifest=False) as part:
        if path.is_dir():
            shutil.copytree(path, part, ignore=shutil.ignore_patterns(".*"))  # Snakemake's time stamp
        else:
            shutil.copyfile(path, part)
