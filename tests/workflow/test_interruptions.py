"""`d2a animate` under signals, beside others, and after a crash; on a workflow of a few shell rules."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from d2a_core.commands import animate as animate_command
from d2a_core.commands import delivery, runs
from d2a_core.commands.requests import Request
from d2a_core.commands.studio.queue import Silence
from d2a_core.workflow import execution

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_command_goes_on_where_it_stopped(place, run, how):
    slow = place.make("animate.slow")
    started = place.start()
    place.wait_for("animate")
    refused = run()
    assert refused.exit_code == 1 and f"another d2a is at work in {place.work}" in refused.stderr
    started.send_signal(how)
    shown, told = started.communicate(timeout=30)
    if how != signal.SIGKILL:
        assert (started.returncode, shown) == (130, "")
        assert told.splitlines()[-1] == runs.RESUMES
    slow.unlink()
    place.ran()
    ended = run()
    assert ended.exit_code == 0, ended.stderr
    assert place.ran() == ["animate"]  # what was half written is made again, what was whole is kept
    assert "motion_scale" in (place.home / "out.mp4").read_text()


def _left_running(work):
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get(execution.MARK) == str(work):
            yield process


def test_a_run_cancelled_from_a_thread_leaves_nothing_running_and_goes_on_later(place):
    slow, cancelled, stages, ends = place.make("animate.slow"), threading.Event(), set(), []
    wanted = Request(
        source=str(place.home / "me.png"), driving=place.home / "talk.mp4", work=place.work, cores=1
    )
    watcher = runs.Watcher(Silence(), follow=lambda run: stages.update(run.stages), cancelled=cancelled)

    def animate():
        try:
            ends.append(animate_command.animate(wanted, watcher=watcher))
        except KeyboardInterrupt as end:
            ends.append(str(end))

    thread = threading.Thread(target=animate)
    thread.start()
    place.wait_for("animate")
    assert list(_left_running(place.work))
    for _ in range(100):  # the log is read a moment later
        if "animate" in stages:
            break
        time.sleep(0.1)
    assert "animate" in stages
    cancelled.set()
    thread.join(60)
    assert ends == [runs.RESUMES]
    assert not list(_left_running(place.work))
    slow.unlink()
    place.ran()
    made = animate_command.animate(wanted)
    assert place.ran() == ["animate"]
    assert made["video"].parent == place.work / "results" / "animations"  # asked for nowhere else, it stays


def test_the_lock_of_a_living_snakemake_is_kept_and_that_of_a_dead_one_removed(place, run):
    assert run().exit_code == 0
    slow = place.make("animate.slow")
    target = str(next((place.work / "results" / "animations").glob("*.sheet.png")).relative_to(place.work))
    overlay = next((place.work / delivery.STATE).glob("*.yaml"))
    stranger = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", place.root / "Snakefile", target]
        + ["--configfile", overlay, "--forcerun", "animate"],
        cwd=place.work,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    place.ran()
    place.wait_for("animate")
    refused = run()
    assert refused.exit_code == 1
    assert f"a Snakemake is at work in {place.work} (process {stranger.pid})" in refused.stderr
    os.killpg(stranger.pid, signal.SIGKILL)
    stranger.wait()
    slow.unlink()
    assert any((place.work / ".snakemake" / "locks").iterdir())
    assert run().exit_code == 0
