"""Measure docs/rates.yaml anew: `measure_rates.py FOLDER`, on a machine that does nothing else.

Every rule runs on a few dozen faces, and most once more as the demo does: jobs of two sizes tell start-up and
work apart. The reader of checkpoints reads one of 1024 px. A call that was stopped goes on with the next.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import stylegan2_checkpoints
from struck_project import FIRST_FRAME, INPUT_TARGETS, TARGETS
from tiny_project import CONFIGS, ROOT

from d2a_core.generator import origins
from d2a_core.store import texts
from d2a_core.workflow import rates
from d2a_core.workflow.execution import Workflow

FACES = "results/evaluation/faces/held-out"
LARGE = [
    "all",
    "results/evaluation/table.md",
    f"{FIRST_FRAME}--paste-back.mp4",
    "results/fan/all/performance-first-frame.pt",
    "results/controls/controls.png",
    "results/footage/performance.zarr",
    "results/footage/performance--performance--side-by-side.mp4",
    "results/footage/performance--performance.figures.parquet",
    "results/inversion/hfgi.pt",
]
STYLEGAN2_1024 = {
    "resolution": 1024,
    "channels": (512, 512, 512, 512, 512, 256, 128, 64, 32),
    **dict.fromkeys(("z_dim", "w_dim", "mapping_width"), 512),
    "mapping_layers": 8,
}


def main(folder: str) -> None:
    """Run what is not done, and write the rates."""
    runs = {name: Path(folder, name).absolute() for name in ("checkpoint", "small", "large")}
    for name, measure in (("checkpoint", checkpoint), ("small", small), ("large", large)):
        runs[name].mkdir(parents=True, exist_ok=True)
        measure(runs[name])
    rates.save(rates.read([run / "results" for run in runs.values()]), ROOT / "docs" / "rates.yaml")


def checkpoint(work: Path) -> None:
    """Convert a StyleGAN2 of 1024 px with random weights."""
    path = work / "network.pkl"
    if not path.exists():
        path.write_bytes(stylegan2_checkpoints.nvidia(stylegan2_checkpoints.network(**STYLEGAN2_1024)))
    config = work / "checkpoint.yaml"
    config.write_text("generator: {name: network.pkl}\n")
    run(work, [config], [f"results/generator/{texts.sha256(path)[: origins.KEY_CHARS]}.safetensors"])


def small(work: Path) -> None:
    """Run every other rule on a few dozen faces; held-out ones stand for the photos of a data set."""
    configs = [CONFIGS / name for name in ("tiny.yaml", "struck.yaml", "struck-inputs.yaml")]
    run(work, configs[:2], TARGETS)
    photos = work / "photos"
    photos.mkdir(exist_ok=True)
    for face in sorted((work / FACES).glob("r*.png"))[:3]:
        shutil.copy2(face, photos)
    run(work, configs, INPUT_TARGETS)


def large(work: Path) -> None:
    """Run what takes long on as many faces and frames as the demo."""
    run(work, [ROOT / "config.yaml"], LARGE)


def run(work: Path, configs: list[Path], targets: list[str]) -> None:
    """Run Snakemake in the folder `work`; its failure ends this process."""
    workflow = Workflow(ROOT, work, tuple(configs))
    done = subprocess.run(
        workflow.command(*targets),
        cwd=work,
        env=workflow.environment(),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main(*sys.argv[1:])
