"""Run Snakemake in a work directory: watch it, stop it, take it up again."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

import d2a_core

Event = dict[str, Any]  # as the logger plug-in writes it
CODE = Path(d2a_core.__file__).parents[1]  # where Snakemake finds the plug-in
MARK = "D2A_WORK"  # in the environment of all that a run starts: tells its orphans from other processes
POLL_S = 0.2
PATIENCE_S = 30.0  # for a process that was asked to stop: jobs finish the batch they are at


@dataclass(frozen=True)
class Workflow:
    """The workflow in `root`, run in the folder `work` with `configfiles`, of which the last one wins."""

    root: Path
    work: Path
    configfiles: tuple[Path, ...]
    cores: str = "all"

    def command(self, *words: str) -> list[str]:
        """Command line of Snakemake, with the settings of the default profile, for the work directory as cwd.

        Paths in there are relative: Snakemake puts variables into what looks like one, as in `my $HOME`.
        """
        settings = {
            "--snakefile": self.root / "Snakefile",
            "--directory": ".",
            "--workflow-profile": self.root / "profiles" / "default",
            "--cores": self.cores,
        }
        options = [str(word) for option in settings.items() for word in option]
        configs = [str(self.inside(path)) for path in self.configfiles]
        # targets first: --configfile takes all words up to the next option
        return [sys.executable, "-m", "snakemake", *words, *options, "--configfile", *configs]

    def inside(self, path: Path) -> Path:
        """A path relative to the work directory where it lies in there."""
        return path.relative_to(self.work) if path.is_relative_to(self.work) else path

    def environment(self) -> dict[str, str]:
        """Environment of the run: its jobs import the package that lies beside the workflow.

        And Snakemake finds the logger plug-in that lies beside this one. Where nothing can be written at
        home, as in containers and on some nodes of clusters, its cache lies in the work directory.
        """
        paths = [str(self.root), str(CODE), os.environ.get("PYTHONPATH", "")]
        own = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), MARK: str(self.work)}
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        if not _is_writable(home):
            own["XDG_CACHE_HOME"] = str(self.work / ".snakemake" / "cache")
        return os.environ | own


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written, or made: the nearest one that exists decides."""
    known = next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
    return known.is_dir() and os.access(known, os.W_OK | os.X_OK)


def telling(events: Path) -> list[str]:
    """Options that make Snakemake write its events to a file, for `read_events`."""
    return ["--logger", "d2a", "--logger-d2a-file", str(events)]


def read_events(source: IO[str]) -> list[Event]:
    """Events that were added to an open file since the last call.

    A line that is still being written waits for its end.
    """
    place = source.tell()
    text = source.read()
    whole = text[: text.rfind("\n") + 1]
    if len(whole) < len(text):
        source.seek(place)
        whole = source.read(len(whole))
    return [json.loads(line) for line in whole.splitlines()]


@contextmanager
def exclusive(work: Path, lock: Path) -> Iterator[None]:
    """Keep other commands out of `work` while the block runs, and stop what a killed one left running.

    The lock is the system's: it ends with this process, however that ends. Raises ValueError when
    another command holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another d2a is at work in {work}; wait until it has finished, or give another --work"
            ) from None
        _stop_orphans(work)
        yield


def _stop_orphans(work: Path) -> None:
    """Stop what a killed command has left behind: it would write the same files as a new run."""
    orphans = [process for process in _processes() if _marked(process) == str(work)]
    for process in orphans:
        _send(process, signal.SIGINT)
    _, deaf = psutil.wait_procs(orphans, timeout=PATIENCE_S)
    for process in deaf:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(deaf, timeout=PATIENCE_S)


def _processes() -> Iterator[psutil.Process]:
    return (process for process in psutil.process_iter() if process.pid != os.getpid())


def _marked(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None  # gone, or another user's


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass


def unlock(workflow: Workflow) -> None:
    """Remove Snakemake's lock of the work directory when the one who set it is dead.

    Snakemake notes no process in its lock, so a lock counts as held while any Snakemake lives in that
    folder. Raises ValueError when one does.
    """
    locks = workflow.work / ".snakemake" / "locks"
    if not locks.is_dir() or not any(locks.iterdir()):
        return
    for process in _processes():
        if _runs_snakemake_in(process, workflow.work):
            raise ValueError(
                f"a Snakemake is at work in {workflow.work} (process {process.pid}); "
                "wait until it has finished, or give another --work"
            )
    done = subprocess.run(
        workflow.command("--unlock"),
        cwd=workflow.work,
        env=workflow.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"the stale lock of {workflow.work} cannot be removed; delete {locks}")


def _runs_snakemake_in(process: psutil.Process, folder: Path) -> bool:
    try:
        words = process.cmdline()
        program = Path(words[0]).name.lower() if words else ""
        # a reader of its log names it too
        is_snakemake = program.startswith(("python", "snakemake")) and "snakemake" in " ".join(words)
        return is_snakemake and Path(process.cwd()) == folder
    except (psutil.Error, OSError):
        return False


def run(
    workflow: Workflow,
    *words: str,
    log: Path,
    watch: Callable[[list[Event]], None],
    cancelled: threading.Event | None = None,
) -> int:
    """Run Snakemake with `words` (targets and options) and return its exit code.

    All it says goes to the file `log`, and its events to one beside it, ending in .jsonl; `watch` gets the
    new events several times a second, also when there are none. The first SIGINT, SIGTERM or SIGHUP (a closed
    terminal) is passed on to Snakemake and its jobs, once, and KeyboardInterrupt follows when they have put
    the work directory in order; a second one kills.
    Setting `cancelled` does what the first signal does, for threads, which get no signals.
    """
    cancelled = cancelled or threading.Event()
    log.parent.mkdir(parents=True, exist_ok=True)
    events = log.with_suffix(".jsonl")
    events.write_text("", encoding="utf-8")
    # To files and not pipes: when this process is killed, the run does not choke on a broken one.
    with log.open("w", encoding="utf-8") as sink, events.open(encoding="utf-8") as source:
        with _counted_signals() as signals:
            process = _start(workflow, *words, *telling(workflow.inside(events)), sink=sink)
            try:
                while process.poll() is None and not (signals or cancelled.is_set()):
                    watch(read_events(source))
                    time.sleep(POLL_S)
            finally:
                _stop(process, signals)
            if signals or cancelled.is_set():
                raise KeyboardInterrupt
            watch(read_events(source))
            return process.returncode


def _start(workflow: Workflow, *words: str, sink: IO[str]) -> subprocess.Popen:
    """Start Snakemake with `words`; all it says goes to `sink`."""
    return subprocess.Popen(
        workflow.command(*words),
        cwd=workflow.work,
        env=workflow.environment(),
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # the terminal's Ctrl-C reaches us alone, and we pass it on
    )


@contextmanager
def _counted_signals() -> Iterator[list[int]]:
    """Collect signals instead of raising where they strike, which may leave a lock of Popen held for ever.

    Only the main thread can: in others none come.
    """
    main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if main else ()
    came: list[int] = []
    before = {number: signal.signal(number, lambda which, frame: came.append(which)) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(process: subprocess.Popen, signals: list[int]) -> None:
    """Interrupt the group of a living process, as Ctrl-C on a terminal would, and wait for its end.

    A Snakemake that is struck at a bad moment may wait for ever; it is killed, which costs no more than
    its lock, removed by the next run.
    """
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        if len(signals) > 1 or time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(POLL_S)
