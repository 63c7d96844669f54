"""Follow a running workflow and print one status line per stage."""

import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

PLAIN_EVERY_S = 30.0  # where lines cannot be updated
NAME_WIDTH = 22
TAIL_BYTES = 4096
STEP = re.compile(  # what runtime.Progress writes
    r" INFO \w+ (?P<unit>\w+)=(?P<done>\d+)(?:/(?P<total>\d+))? (?P=unit)_per_s=\S+(?: eta_s=(?P<eta>\d+))?"
)
REMARK = re.compile(r"^\S+ \S+ (WARNING|ERROR) (.+)$", re.M)


@dataclass
class Stage:
    """A rule of this run: `total` jobs, `done` of them finished, the logs of `running` ones by number.

    `warnings` are those that its finished jobs have logged.
    """

    name: str
    total: int
    done: int = 0
    running: dict[int, Path | None] = field(default_factory=dict)
    started_s: float | None = None
    ended_s: float | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def lasted_s(self) -> float:
        """Wall time from the start of its first job to the end of its last one."""
        return 0.0 if self.started_s is None or self.ended_s is None else self.ended_s - self.started_s


@dataclass(frozen=True)
class Failure:
    """A job that failed: its `stage`, its `log`, and the `names` that its wildcards stood for."""

    stage: str
    log: Path | None
    names: frozenset[str]


class Run:
    """Stages of a run in `folder` and their progress, from the events of Snakemake.

    `names` tells how the user calls a file that the workflow has under another path, for messages.
    """

    def __init__(
        self,
        folder: Path,
        *,
        names: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self.names, self._clock = folder, names or {}, clock
        self.stages: dict[str, Stage] = {}
        self.failures: list[Failure] = []  # in the order in which they came
        self.complaint = ""  # what Snakemake itself objects to
        self.made: set[str] = set()  # outputs of finished jobs, as the rules name them
        self._begun: dict[int, Mapping[str, Any]] = {}  # jobs that have not ended, by number

    def read(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in events of Snakemake, in their order."""
        for event in events:
            if event["event"] == "run_info":
                self._count(event["stats"])
            elif event["event"] == "job_info":
                self._begin(event)
            elif event["event"] == "job_finished":
                self._finish(event["job_id"])
            elif event["event"] == "job_error":
                self._fail(event)
            elif event["event"] == "error":
                self.complaint = self.complaint or event["msg"]

    def _count(self, jobs: Mapping[str, int]) -> None:
        """Count the jobs of each stage; their event comes before the first job, and after a dry run."""
        if not self.stages:
            self.stages = {name: Stage(name, jobs[name]) for name in jobs if name not in ("total", "all")}

    def _begin(self, job: Mapping[str, Any]) -> None:
        self._begun[job["jobid"]] = job
        stage = self.stages.get(job["rule_name"])
        if stage is not None:
            stage.running[job["jobid"]] = self._log_of(job)
            stage.started_s = self._clock() if stage.started_s is None else stage.started_s

    def _log_of(self, job: Mapping[str, Any]) -> Path | None:
        return self.folder / job["log"][0] if job["log"] else None

    def _fail(self, job: Mapping[str, Any]) -> None:
        """Note what failed; what needs nothing of it goes on where Snakemake was told so."""
        number, stage = job["jobid"], self.stages.get(job["rule_name"])
        wildcards = self._begun.pop(number, {}).get("wildcards") or {}
        self.failures.append(Failure(job["rule_name"], self._log_of(job), frozenset(wildcards.values())))
        if stage is not None:
            stage.running.pop(number, None)

    def _finish(self, number: int) -> None:
        self.made.update(self._begun.pop(number, {}).get("output", ()))
        for stage in self.stages.values():
            if number in stage.running:
                stage.warnings += self._remarks(stage.running.pop(number), "WARNING")
                stage.done += 1
                stage.ended_s = self._clock()

    def sentence(self, failure: Failure) -> str | None:
        """The last error that a failed job has logged, or None."""
        return next(reversed(self._remarks(failure.log, "ERROR")), None)

    def _remarks(self, log: Path | None, level: str) -> list[str]:
        if log is None or not log.is_file():
            return []
        found = REMARK.findall(log.read_text(encoding="utf-8", errors="replace"))
        return [self._as_given(text) for kind, text in found if kind == level]

    def _as_given(self, text: str) -> str:
        for path, given in self.names.items():
            text = text.replace(path, given)
        return text


def step(log: Path | None) -> str:
    """Progress in the log of a job, such as `frames 51/100, 40 s left`; empty while it says nothing."""
    last = _last_step(log)
    if log is None or last is None:
        return ""
    shown = f"{last['unit']} {last['done']}" + (f"/{last['total']}" if last["total"] else "")
    if last["eta"] is None or last["done"] == last["total"]:
        return shown
    age_s = time.time() - log.stat().st_mtime  # since that line was written
    return f"{shown}, {max(0, round(int(last['eta']) - age_s))} s left"


def _last_step(log: Path | None) -> dict[str, str | None] | None:
    if log is None or not log.is_file():
        return None
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - TAIL_BYTES))
        found = list(STEP.finditer(handle.read().decode("utf-8", errors="replace")))
    return found[-1].groupdict() if found else None


def share(stage: Stage) -> float:
    """Share of a stage that is done, 0 to 1: its finished jobs, and the progress of the running ones."""
    begun = sum(map(_share, stage.running.values()))
    return min(1.0, (stage.done + begun) / max(1, stage.total))


def _share(log: Path | None) -> float:
    """Progress in the log of a job, 0 to 1; 0 where it does not say."""
    last = _last_step(log) or {}
    done, total = last.get("done"), last.get("total")
    return int(done) / max(1, int(total)) if done and total else 0.0


class Board:
    """Status lines of a run: finished stages stay, running ones are updated in place.

    Where `stream` is no terminal, a running stage is told in a line of its own every `PLAIN_EVERY_S`.
    """

    def __init__(
        self, run: Run, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.run, self.stream, self._clock = run, stream or sys.stderr, clock
        self._live = self.stream.isatty()
        self._closed: set[str] = set()
        self._told: dict[str, float] = {}
        self._drawn: list[str] = []

    def watch(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in new events of Snakemake and show what changed."""
        self.run.read(events)
        stages = self.run.stages.values()
        ended = [stage for stage in stages if stage.done >= stage.total and stage.name not in self._closed]
        if ended:
            self._wipe()
        for stage in ended:
            self._closed.add(stage.name)
            self._write(_row("✓", stage.name, f"{stage.lasted_s:.0f} s"))
            self._note(stage)
        over = self._closed | {stage.name for stage in self._failed() if not stage.running}
        going = [stage for stage in stages if stage.started_s is not None and stage.name not in over]
        if self._live:
            self._draw([_row(" ", stage.name, state(stage)) for stage in going])
        else:
            self._tell(going)

    def say(self, line: str) -> None:
        """Write a line above what is running."""
        self._wipe()
        self._write(line)

    def close(self) -> None:
        """Wipe what was running, and name the stages that failed, with what their other jobs had to say."""
        self._wipe()
        for stage in self._failed():
            self._write(_row("✗", stage.name, "failed"))
            self._note(stage)

    def _failed(self) -> list[Stage]:
        names = dict.fromkeys(failure.stage for failure in self.run.failures)
        return [self.run.stages.get(name, Stage(name, 1)) for name in names]

    def _note(self, stage: Stage) -> None:
        for warning in stage.warnings:
            self._write(f"  note: {warning}")

    def _draw(self, rows: list[str]) -> None:
        width = shutil.get_terminal_size().columns - 1  # a wrapped line could not be erased
        rows = [row[:width] for row in rows]
        if rows != self._drawn:
            self._wipe()
            for row in rows:
                self._write(row)
            self._drawn = rows

    def _tell(self, going: list[Stage]) -> None:
        now = self._clock()
        for stage in going:
            since = now if stage.started_s is None else stage.started_s
            if now - self._told.setdefault(stage.name, since) >= PLAIN_EVERY_S:
                self._write(_row(" ", stage.name, state(stage)))
                self._told[stage.name] = now

    def _wipe(self) -> None:
        if self._drawn:
            self.stream.write(f"\x1b[{len(self._drawn)}A\x1b[J")  # up to the first of them, erase downwards
            self._drawn = []

    def _write(self, row: str) -> None:
        self.stream.write(f"{row}\n")
        self.stream.flush()


def _row(mark: str, name: str, state: str) -> str:
    return f"{mark} {name.replace('_', ' '):<{NAME_WIDTH}} {state}".rstrip()


def state(stage: Stage) -> str:
    """Progress of a stage: its jobs, where it has several, and that of the running ones."""
    jobs = [f"{stage.done} of {stage.total}"] if stage.total > 1 else []
    return ", ".join(filter(None, [*jobs, *(step(log) for log in stage.running.values())])) or "running"
