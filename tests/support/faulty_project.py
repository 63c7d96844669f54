"""A tiny project that is struck from outside, for tests of faults."""

import contextlib
import importlib.util
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tiny_project import ROOT, environment

STRIKING = ROOT / "tests" / "faults" / "striking"
COUNTED = "total"
_spec = importlib.util.spec_from_file_location("striking", STRIKING / "sitecustomize.py")
striking = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(striking)


class FaultyProject:
    """A finished or empty copy of the project, run by Snakemake with workers that can be struck."""

    def __init__(self, folder, *configs, wrapper=()):
        self.folder, self.configs, self.wrapper = Path(folder), configs, wrapper
        self.state = self.folder / "strikes"
        self.state.mkdir(exist_ok=True)

    @classmethod
    def copy(cls, finished, folder):
        """A copy of a finished project with the times of all files."""
        return cls(finished.copy(folder).folder, *finished.configs)

    def path(self, name):
        """A path below the project."""
        return self.folder / name

    def strike(self, **moments):
        """Choose the rules to strike from now on, and when; see `sitecustomize`."""
        for kind in ("*.moment", "*.struck", "held.*", "release"):
            for old in self.state.glob(kind):
                old.unlink()
        for rule, moment in moments.items():
            (self.state / f"{rule}.moment").write_text(moment)

    def held(self):
        """Number of workers that wait."""
        return len(list(self.state.glob("held.*")))

    def release(self):
        """Let all workers go on that wait."""
        (self.state / "release").touch()

    def struck(self):
        """Rules that were struck, and when."""
        return {path.stem: path.read_text() for path in self.state.glob("*.struck")}

    def runs(self, since=None):
        """Starts of workers of each rule; `since` is an earlier result to subtract."""
        now = Counter(path.name.partition(".")[0] for path in (self.state / "runs").glob("*"))
        return now - (since or Counter())

    def networked(self):
        """Addresses that workers asked for, by rule."""
        found = sorted((self.state / "network").glob("*"))
        return {path.name.partition(".")[0]: path.read_text().splitlines() for path in found}

    def start(self, *options, targets=(), **process):
        """A Snakemake that has been started, in a group of its own."""
        command = [*self.wrapper, sys.executable, "-m", "snakemake", *options]
        if not any(option.startswith("--cores") for option in options):
            command.append("--cores=2")
        return subprocess.Popen(
            [*command, "--configfile", *self.configs, "--", *targets],
            cwd=self.folder,
            env=environment(STRIKING, self.folder, D2A_STRIKES=str(self.state)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **process,
        )

    def snakemake(self, *options, targets=(), **process):
        """Exit code and words of a Snakemake."""
        started = self.start(*options, targets=targets, **process)
        said, _ = started.communicate()
        return started.returncode, said

    def complete(self, *options, targets=(), **process):
        """Output of a Snakemake that must succeed."""
        code, said = self.snakemake(*options, targets=targets, **process)
        assert code == 0, said[-6000:]
        return said

    def run_d2a(self, *words):
        """Output of the command `d2a`, which must succeed."""
        done = subprocess.run(
            [sys.executable, "-c", "from d2a_core.commands.cli import main; main()", *words],
            cwd=self.folder,
            env=environment(self.folder),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self, *targets, **process):
        """Jobs of each rule that a run would execute."""
        said = self.complete("--dry-run", "--quiet", "rules", targets=targets, **process)
        rows = said.partition("Job stats:")[2].partition(COUNTED)[0].splitlines()[3:]
        return Counter({row.split()[0]: int(row.split()[1]) for row in rows if row.strip()})

    def digest(self, name):
        """Digest of an artefact; nothing hidden counts."""
        return striking.digest(self.folder / name)

    def digests(self, *folders):
        """Digests of all files below some folders of the results, by their names; nothing hidden counts."""
        files = (
            path.relative_to(self.folder)
            for folder in folders
            for path in sorted((self.folder / "results" / folder).rglob("*"))
            if path.is_file()
        )
        return {
            str(file): self.digest(file)
            for file in files
            if not any(part.startswith(".") for part in file.parts)
        }


def errors(said):
    """The sentences with which stages have ended, without their times, each once."""
    return list(
        dict.fromkeys(line.partition(" ERROR ")[2] for line in said.splitlines() if " ERROR " in line)
    )


def wait_until(met, *, seconds=60.0):
    """Wait for a condition; fails when it is not met in time."""
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@contextlib.contextmanager
def mounted(folder, *, size):
    """A small disk of its own on `folder`; yields a function that enlarges it or makes it read-only."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield lambda option: subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def can_mount(folder):
    """Whether this user may mount a disk."""
    try:
        with mounted(folder, size="64k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def isolation():
    """Words before a command that take its network away, or none where that is not allowed."""
    for words in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        with contextlib.suppress(OSError):
            if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
                return words
    return []
