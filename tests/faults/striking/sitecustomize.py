"""Strikes workers of Snakemake from outside; Python imports it at its start where it lies on PYTHONPATH.

The folder in D2A_STRIKES holds `<rule>.moment` for each rule to strike. It gets `runs/` (one file for each
worker), `<rule>.struck`, `digests/` (what a struck worker had finished) and `network/` (who asked for one).
A rule is struck once. What the moments mean:

    inside    a folder has three of its files
    half      the first output is whole on the disk up to its middle, under its hidden name
    named     the first output has its name, and no manifest yet
    between   the first output is there and the second is not
    resumable the second state to go on from is about to be kept
    last      all outputs are there, and Snakemake has not heard of it
    hold      no kill: waits before the first output until there is a file `release`
"""

import atexit
import hashlib
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

STATE = os.environ.get("D2A_STRIKES")
SCRIPT = re.search(r"\.snakemake/scripts/tmp[^/.]*\.(\w+)\.py$", " ".join(sys.orig_argv))
PART = re.compile(r"\..+-[0-9a-f]{8}(\.[^.]+)?")
MANIFEST = ".manifest.json"


def digest(path):
    """Of a file, or of the names and contents of the files in a folder that are not hidden."""
    whole = hashlib.sha256()
    files = [path] if path.is_file() else sorted(child for child in path.rglob("*") if child.is_file())
    for file in files:
        name = "" if file == path else file.relative_to(path).as_posix()
        if not name.startswith(".") and "/." not in name:
            whole.update(name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def cut(path):
    """Leave the first half of a file, or of the files of a folder and of the last of them."""
    files = [path] if path.is_file() else sorted(child for child in path.rglob("*") if child.is_file())
    kept = files[: (len(files) + 1) // 2]
    for file in files[len(kept) :]:
        file.unlink()
    os.truncate(kept[-1], kept[-1].stat().st_size // 2)


class Striker:
    """Counts what one worker gives a name, and kills it at its moment."""

    def __init__(self, state, rule):
        self.state, self.rule, self.busy = state, rule, False
        self.inside = self.named = self.kept = 0
        self.digests = {}
        moment = state / f"{rule}.moment"
        struck = (state / f"{rule}.struck").exists()
        self.moment = moment.read_text().strip() if moment.exists() and not struck else None
        note(state / "runs", rule)

    def see(self, event, arguments):
        """Audit hook."""
        if event in ("socket.connect", "socket.getaddrinfo"):
            note(self.state / "network", self.rule, repr(arguments[-1 if event == "socket.connect" else 0]))
        if event != "os.rename" or self.moment is None or self.busy:
            return
        self.busy = True
        try:
            self.rename(Path(os.fsdecode(arguments[0])), Path(os.fsdecode(arguments[1])))
        finally:
            self.busy = False

    def rename(self, part, path):
        """A part is about to get its name."""
        if any(PART.fullmatch(parent.name) for parent in path.parents):
            self.inside += 1
            self.strike_at("inside", self.inside == 3)
        elif ".state" in path.parts:
            self.kept += 1
            self.strike_at("resumable", self.kept == 2)
        elif path.name.endswith(MANIFEST):
            self.strike_at("named", self.named == 1)
        elif PART.fullmatch(part.name) and not PART.fullmatch(path.name):
            self.strike_at("between", self.named == 1)
            self.digests[str(path)] = digest(part)
            self.strike_at("half", self.named == 0, part)
            if self.moment == "hold" and self.named == 0:
                self.hold()
            self.named += 1

    def hold(self):
        """Wait for the file `release`, a minute at most."""
        note(self.state, "held")
        until = time.monotonic() + 60
        while not (self.state / "release").exists() and time.monotonic() < until:
            time.sleep(0.05)

    def strike_at(self, moment, due, part=None):
        """Kill this process, as the kernel does for want of memory, unless its like has been; cut `part`."""
        if not due or moment != self.moment:
            return
        try:
            with (self.state / f"{self.rule}.struck").open("x") as file:
                file.write(moment)
        except FileExistsError:
            self.moment = None
            return
        if part is not None:
            cut(part)
        folder = self.state / "digests"
        folder.mkdir(exist_ok=True)
        (folder / f"{self.rule}.json").write_text(json.dumps(self.digests))
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self):
        """At the end of a process that its moment has not met, or whose moment this is."""
        if self.moment not in (None, "hold"):
            self.moment = "last"
            self.strike_at("last", True)


def note(folder, name, text=""):
    """Leave a file that tells that something happened."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.{os.getpid()}").open("a") as file:
        file.write(f"{text}\n")


if STATE and SCRIPT:
    striker = Striker(Path(STATE), SCRIPT[1])
    sys.addaudithook(striker.see)
    atexit.register(striker.leave)
