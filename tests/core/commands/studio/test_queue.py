"""The queue of the studio: order, ends, cancelling."""

import threading
import time

import pytest

from d2a_core.commands.studio.queue import CANCELLED, DEFECT, MOST_WAITING, Job, Queue
from d2a_core.workflow import progress

DEADLINE_S = 10


@pytest.fixture
def defects():
    return []


@pytest.fixture
def queue(defects):
    made = Queue(defects.append)
    yield made
    made.close()


def _until(condition):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _patient(job):
    assert job.cancelled.wait(DEADLINE_S)
    raise KeyboardInterrupt


def test_jobs_run_one_at_a_time_in_their_order(queue):
    order, gate = [], threading.Event()

    def action(name):
        def run(job):
            assert gate.wait(DEADLINE_S)
            order.append(name)
            return {"name": name}

        return run

    jobs = [queue.submit(name, action(name)) for name in "abc"]
    _until(lambda: jobs[0].state == "running")
    assert [queue.ahead(job) for job in jobs] == [0, 1, 2]
    gate.set()
    _until(lambda: jobs[2].ended)
    assert order == ["a", "b", "c"] and queue.find(jobs[1].token).results == {"name": "b"}


def test_a_cancelled_job_ends_and_the_next_one_has_its_turn(queue):
    running, waiting, last = (queue.submit(name, _patient) for name in ("running", "waiting", "last"))
    _until(lambda: running.state == "running")
    queue.cancel(waiting)
    assert (waiting.state, waiting.message) == ("cancelled", CANCELLED)
    queue.cancel(running)
    _until(lambda: last.state == "running")
    assert running.state == "cancelled" and waiting.state == "cancelled"


def test_a_mistake_is_its_sentence_and_a_defect_is_reported(queue, defects):
    def mistake(job):
        raise ValueError("no face\nfound; give another photo")

    def defect(job):
        raise KeyError("oops")

    first, second = queue.submit("mistake", mistake), queue.submit("defect", defect)
    _until(lambda: second.ended)
    assert (first.state, first.message) == ("failed", "no face found; give another photo")
    assert (second.state, second.message) == ("failed", DEFECT)
    assert [type(error) for error in defects] == [KeyError]


def test_too_many_waiting_jobs_are_refused_and_closing_ends_all(queue):
    jobs = [queue.submit("patient", _patient) for _ in range(MOST_WAITING)]
    _until(lambda: jobs[0].state == "running")
    jobs.append(queue.submit("last", _patient))
    with pytest.raises(ValueError, match="waiting already"):
        queue.submit("one too many", _patient)
    queue.close()
    assert {job.state for job in jobs} == {"cancelled"}
    with pytest.raises(ValueError, match="not known"):
        queue.find("nothing")


def test_a_job_tells_how_far_its_stages_have_come(tmp_path):
    log = tmp_path / "animate.log"
    log.write_text("2026-03-01 12:00:00 INFO animations frames=3/10 frames_per_s=1.5 eta_s=5\n")
    run = progress.Run(tmp_path)
    run.stages = {"animate": progress.Stage("animate", 2, done=1, running={3: log})}
    job = Job("Animate", _patient)
    job.follow(run)
    assert [(stage["name"], stage["share"]) for stage in job.stages] == [("animate", 0.65)]
    assert job.stages[0]["state"].startswith("1 of 2, frames 3/10")
