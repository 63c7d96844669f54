"""The projects that tests start from, made once for all processes: `finished_projects.py small full`.

`small` runs on a StyleGAN2 of 64 px, `full` on MobileStyleGAN at 1024 px. The folder of each is what
D2A_FINISHED_PROJECT and D2A_FULL_PROJECT name.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from faulty_project import FaultyProject, isolation
from tiny_project import CONFIGS, FULL, PARTS, ROOT, SMALL, TARGETS, Project, environment

from d2a_core.store.assets import ASSETS, AssetError, fetch, named

DISTIL = ROOT / "tests" / "support" / "distil_stylegan2.py"
VARIABLES = {"small": "D2A_FINISHED_PROJECT", "full": "D2A_FULL_PROJECT"}
STAMP = "finished"  # holds the digest of the code that has made a project
UMASK = 0o027
CONTROLS = "results/controls/purity.parquet"


@contextmanager
def alone(path):
    """Keep other processes out while something is made at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def model_files():
    """Folder of the model files; what is missing is fetched. Raises AssetError when it cannot be."""
    folder = Path(os.environ.get("D2A_ASSETS", ROOT / "data" / "assets"))
    with alone(folder):
        for name, asset in ASSETS.items():
            if not all((folder / name / target).is_file() for _, target in asset.members):
                fetch(named(name), folder / name)
    return folder


def small_network(assets):
    """A StyleGAN2 of faces of 64 px, distilled once on a machine: it stays beside the model files."""
    path = assets / f"stylegan2-64-{hashlib.sha256(DISTIL.read_bytes()).hexdigest()[:12]}.pkl"
    with alone(path):
        if not path.exists():
            part = path.with_suffix(".part")
            words = [sys.executable, str(DISTIL), str(part), "--assets", str(assets)]
            done = subprocess.run(words, env=environment(ROOT), capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert float(done.stdout.partition("found=")[2].split()[0]) > 0.9, done.stdout
            part.rename(path)
    return path


def finished(kind, folder, assets):
    """The project of a kind in a folder; the workflow runs there unless it has been run."""
    code, stamp = _digest(), folder / STAMP
    with alone(folder):
        if not stamp.exists():
            folder.mkdir(exist_ok=True)
            assert not any(folder.iterdir()), f"{folder} holds something else or half of a project; delete it"
            {"small": _make_small, "full": _make_full}[kind](folder, assets)
            stamp.write_text(code)
        assert stamp.read_text() == code, f"{folder} was made by other code; delete it"
    return Project.resume(folder, *(SMALL if kind == "small" else FULL))


def _make_small(folder, assets):
    Project(folder, assets, *SMALL, network=small_network(assets)).snakemake()


def _make_full(folder, assets):
    """With its controls, under a strict umask, without a network, and with a note of who asks for one."""
    Project(folder, assets, *FULL)
    FaultyProject(folder, *FULL, wrapper=isolation()).complete(targets=[*TARGETS, CONTROLS], umask=UMASK)


def _digest():
    """sha256 of all files that a project is made of."""
    files = [file for part in PARTS for file in ([ROOT / part, *(ROOT / part).rglob("*")])]
    whole = hashlib.sha256(DISTIL.read_bytes())
    for file in sorted([*files, *CONFIGS.glob("*.yaml")]):
        if file.is_file() and file.suffix != ".pyc":
            whole.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return whole.hexdigest()


def main(*kinds):
    """Make the projects of some kinds, or tell why there can be none."""
    try:
        assets = model_files()
    except AssetError as error:
        print(f"Tests that need real faces will be skipped: {error}")
        return
    for kind in kinds:
        started = time.monotonic()
        finished(kind, Path(os.environ[VARIABLES[kind]]), assets)
        print(f"The {kind} project is finished ({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main(*sys.argv[1:])
