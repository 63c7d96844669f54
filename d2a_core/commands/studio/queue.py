"""The queue of the studio: one long job at a time, the others wait in the order in which they came."""

import io
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from d2a_core.runtime import one_line
from d2a_core.workflow import progress

MOST_WAITING = 8
KEPT = 100  # ended jobs whose end can still be asked for
CANCELLED = "Cancelled; what was computed is kept, and the same request goes on from there."
DEFECT = "Something in the studio itself went wrong; its terminal says what."


class Silence(io.TextIOBase):
    """Where lines for a terminal go that nobody reads."""

    def write(self, text: str) -> int:
        """Drop a text."""
        return len(text)


@dataclass
class Job:
    """A long action that one user asked for: `action` gets the job and returns plain values to show.

    `state` goes from waiting over running to done, failed or cancelled; `stages` tell how far a running one
    has come, `message` is the sentence at its end.
    """

    title: str
    action: Callable[["Job"], Mapping[str, Any]]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: str = "waiting"
    message: str = ""
    stages: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

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
        self._report, self._jobs, self._closed = report, {}, False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="studio-queue")
        self._thread.start()

    def submit(self, title: str, action: Callable[[Job], Mapping[str, Any]]) -> Job:
        """Append a job; raises ValueError when too many wait already."""
        job = Job(title, action)
        with self._change:
            if len(self._waiting()) >= MOST_WAITING:
                raise ValueError(f"{MOST_WAITING} jobs are waiting already; come back when some have ended")
            ended = [token for token, known in self._jobs.items() if known.ended]
            for token in ended[: max(0, len(ended) - KEPT)]:
                del self._jobs[token]
            self._jobs[job.token] = job
            self._change.notify_all()
        return job

    def find(self, token: str) -> Job:
        """The job of a token; raises ValueError when there is none."""
        if token not in self._jobs:
            raise ValueError("this job is not known here; the studio was started anew since")
        return self._jobs[token]

    def ahead(self, job: Job) -> int:
        """Jobs that run or wait before a waiting one."""
        with self._change:
            waiting = self._waiting()
            running = sum(other.state == "running" for other in self._jobs.values())
            return waiting.index(job) + running if job in waiting else 0

    def cancel(self, job: Job) -> None:
        """End a job: a waiting one at once, a running one as soon as its stages have been stopped."""
        with self._change:
            job.cancelled.set()
            if job.state == "waiting":
                job.state, job.message = "cancelled", CANCELLED

    def close(self) -> None:
        """Cancel all jobs and wait until the running one has ended."""
        with self._change:
            self._closed = True
            jobs = list(self._jobs.values())
            self._change.notify_all()
        for job in jobs:
            self.cancel(job)
        self._thread.join()

    def _waiting(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.state == "waiting"]

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed or self._waiting())
                if self._closed:
                    return
                job = self._waiting()[0]
                job.state = "running"
            self._run(job)

    def _run(self, job: Job) -> None:
        try:
            job.results, job.message, state = dict(job.action(job)), "", "done"
        except KeyboardInterrupt:
            job.message, state = CANCELLED, "cancelled"
        except (ValueError, OSError) as error:
            job.message, state = one_line(error), "failed"
        except Exception as error:  # noqa: BLE001, the queue outlives a defect of one job
            self._report(error)
            job.message, state = DEFECT, "failed"
        with self._change:
            job.state = state
