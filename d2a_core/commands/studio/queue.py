"""The queue of the studio: one long job at a time, the others wait in the order in which they came."""

import io
import itertools
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from d2a_core.runtime import one_line
from d2a_core.workflow import progress

MOST_WAITING = 8
KEPT = 100  # ended jobs whose end can still be asked for
CANCELLED = "Cancelled; what was computed is kept, and the same request goes on from there."
DEFECT = "Something in the studio itself went wrong; its terminal says what."


class Silence(io.StringIO):
    """Stream that drops lines for a terminal."""

    def write(self, text: str, /) -> int:
        """Drop a text."""
        return len(text)


@dataclass
class Job:
    """A long action that one user asked for: `action` gets the job and returns plain values to show.

    `stages` tell how far a running one has come; `cancelled` asks it to end.
    """

    title: str
    action: Callable[["Job"], Mapping[str, Any]]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    stages: list[dict[str, Any]] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)
    future: Future[dict[str, Any]] = field(default_factory=Future)

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.future.done()

    @property
    def state(self) -> str:
        """State: waiting or running, then done, failed or cancelled."""
        if self.future.running():
            return "running"
        if not self.ended:
            return "waiting"
        if self.future.cancelled() or isinstance(self._error(), KeyboardInterrupt):
            return "cancelled"
        return "failed" if self._error() else "done"

    @property
    def message(self) -> str:
        """The sentence at the end of a job that was not done."""
        if self.state == "cancelled":
            return CANCELLED
        error = self._error()
        return one_line(error) if isinstance(error, (ValueError, OSError)) else DEFECT if error else ""

    @property
    def results(self) -> dict[str, Any]:
        """Results of a job that is done."""
        return self.future.result() if self.state == "done" else {}

    def _error(self) -> BaseException | None:
        return self.future.exception() if self.ended and not self.future.cancelled() else None

    def follow(self, run: progress.Run) -> None:
        """Take over how far a run of the workflow has come."""
        self.stages = [
            {
                "name": stage.name.replace("_", " "),
                "share": round(progress.share(stage), 3),
                "state": progress.state(stage) if stage.running else "",
                "notes": list(stage.warnings),
            }
            for stage in run.stages.values()
        ]


class Queue:
    """Runs jobs one after the other in a thread of its own, until `close`."""

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        """`report` gets the errors that are defects and no user's mistake."""
        self._report = report
        self._jobs: dict[str, Job] = {}  # in the order in which they came
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="studio-queue")

    def submit(self, title: str, action: Callable[[Job], Mapping[str, Any]]) -> Job:
        """Append a job; raises ValueError when too many wait already."""
        if sum(job.state == "waiting" for job in self._jobs.values()) >= MOST_WAITING:
            raise ValueError(f"{MOST_WAITING} jobs are waiting already; come back when some have ended")
        ended = [token for token, known in self._jobs.items() if known.ended]
        for token in ended[: max(0, len(ended) - KEPT)]:
            del self._jobs[token]
        job = Job(title, action)
        job.future = self._worker.submit(self._run, job)
        self._jobs[job.token] = job
        return job

    def find(self, token: str) -> Job:
        """The job of a token; raises ValueError when there is none."""
        if token not in self._jobs:
            raise ValueError("this job is not known here; the studio was started anew since")
        return self._jobs[token]

    def ahead(self, job: Job) -> int:
        """Jobs that run or wait before a waiting one."""
        before = itertools.takewhile(lambda other: other is not job, self._jobs.values())
        return 0 if job.ended else sum(not other.ended for other in before)

    def cancel(self, job: Job) -> None:
        """End a job: a waiting one at once, a running one as soon as its stages have been stopped."""
        job.cancelled.set()
        job.future.cancel()

    def close(self) -> None:
        """Cancel all jobs and wait until the running one has ended."""
        for job in list(self._jobs.values()):
            self.cancel(job)
        self._worker.shutdown()

    def _run(self, job: Job) -> dict[str, Any]:
        try:
            return dict(job.action(job))
        except (ValueError, OSError):  # a user's mistake
            raise
        except Exception as error:
            self._report(error)
            raise
