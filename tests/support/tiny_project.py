"""A copy of the project in which the whole workflow runs with a few dozen faces."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("d2a_core", "snakemake_logger_plugin_d2a", "workflow_scripts")
PARTS = ("Snakefile", "rules", *CODE, "schemas", "profiles", "config.yaml")
CONFIGS = ROOT / "tests" / "config"
PROFILE = ROOT / "tests" / "support" / "profile"
FULL = ("tiny.yaml",)  # on MobileStyleGAN, at 1024 px
SMALL = ("tiny.yaml", "stylegan2.yaml")  # on the StyleGAN2 of 64 px that is distilled from it
NETWORK = "faces.pkl"
# Of a finished project: the default target, and the whole table.
TARGETS = ("all", "results/evaluation/table.md", "results/evaluation/pairs.png")


def environment(*paths, **more):
    """Environment of a Python that looks into `paths` first and gives each job of Snakemake one thread."""
    known = (*map(str, paths), os.environ.get("PYTHONPATH", ""))
    own = {"PYTHONPATH": os.pathsep.join(filter(None, known)), "SNAKEMAKE_PROFILE": str(PROFILE)}
    return os.environ | own | more


class Project:
    """A copy of the project, whose code can be edited; `configs` are laid over its config by default.

    The model files in `assets` are linked, so replace one and do not write into it. `network` is the
    checkpoint that SMALL names.
    """

    def __init__(self, folder, assets, *configs, network=None):
        self.folder, self.configs = folder, configs
        for part in PARTS:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
        for config in CONFIGS.glob("*.yaml"):
            shutil.copy(config, folder)
        for model in filter(Path.is_dir, assets.iterdir()):
            (folder / "data" / "assets" / model.name).mkdir(parents=True)
            for file in model.iterdir():
                if file.name != ".snakemake_timestamp":
                    (folder / "data" / "assets" / model.name / file.name).symlink_to(file.resolve())
        if network is not None:
            shutil.copy(network, folder / NETWORK)

    @classmethod
    def resume(cls, folder, *configs):
        """The project that lies in a folder."""
        project = cls.__new__(cls)
        project.folder, project.configs = folder, configs
        return project

    def copy(self, folder):
        """A copy with the times of all files."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.folder), str(folder)], check=True)
        return self.resume(folder, *self.configs)

    def run(self, *words):
        """Output of Python with these words on the code of the copy."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=environment(self.folder),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stdout + done.stderr

    def snakemake(self, *options, targets=TARGETS, configs=None):
        """Output of Snakemake."""
        command = ["-m", "snakemake", "--cores", "2", *options]
        return self.run(*command, "--configfile", *(configs or self.configs), "--", *targets)

    def due(self, *, configs=None):
        """Names of the rules that a run would execute now."""
        shown = self.snakemake("--dry-run", "--quiet", "rules", "--summary", configs=configs)
        return {line.split("\t")[2] for line in shown.splitlines() if line.endswith("update pending")}

    def edit(self, path, old, new):
        """Replace text in a file; returns a function that puts it back."""
        target = self.folder / path
        before = target.read_text()
        assert old in before
        target.write_text(before.replace(old, new))
        return lambda: target.write_text(before)
