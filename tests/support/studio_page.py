"""A running studio, and a user's acts on its page."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from d2a_core.workflow import execution

ROOT = Path(__file__).parents[2]
ENDED_S = 60
CHROMIUM = os.environ.get("D2A_CHROMIUM") or shutil.which("chromium") or "chromium (apt-get install chromium)"
FLAGS = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox wants a user who is not root


class Studio:
    """A running `d2a studio` on the folder `work`."""

    def __init__(self, work, config):
        self.work = work
        words = [
            "studio",
            "--work",
            work,
            "--configfile",
            config,
            "--port",
            "0",
            "--no-browser",
            "--cores",
            "2",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from d2a_core.commands.cli import main; main()", *map(str, words)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=open(work.parent / f"{work.name}.log", "w"),  # noqa: SIM115
            text=True,
        )
        line = self.process.stdout.readline()
        self.address = re.search(r"http://\S+/", line)[0]

    def jobs_running(self):
        """Processes that a run of the workflow has left in the work directory."""
        found = []
        for process in psutil.process_iter(["environ"]):
            if (process.info["environ"] or {}).get(execution.MARK) == str(self.work):
                found.append(process)
        return found

    def end(self, how=signal.SIGINT):
        """Send a signal and wait; returns what the terminal showed meanwhile."""
        self.process.send_signal(how)
        self.process.wait(ENDED_S)
        return (self.work.parent / f"{self.work.name}.log").read_text()


def choose(page, name="anna"):
    """Choose a face and wait for its full size."""
    page.get_by_label("Faces that are ready").select_option(name)
    page.wait_for_selector("#now[data-size=full]")
    tab(page, "Sliders")


def tab(page, name):
    """Open one of the tabs."""
    page.get_by_role("tab", name=name).click()


def settled(page):
    """Wait until no job is at work, and return the sentence at its end."""
    until(page, "!sessionStorage.getItem('job')")
    return page.locator("#job-state").inner_text()


def until(page, script, seconds=240):
    """Poll a script of the page until it gives something; its policy keeps the browser from doing so."""
    end = time.monotonic() + seconds
    while not (found := page.evaluate(script)):
        assert time.monotonic() < end, f"{script}\n{page.locator('body').inner_text()}"
        time.sleep(0.1)
    return found


def wait_until(condition, what, seconds=60):
    """Poll until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.2)
