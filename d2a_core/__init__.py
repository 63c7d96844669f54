"""Staged face animation by dual distillation of a pretrained StyleGAN."""

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

__version__ = "0.1.0"
ROOT = Path(__file__).parents[1]  # of the project: Snakefile, config.yaml, schemas, profiles
STAGES = (  # in the order of the data: rules/<stage>*.smk write results/<stage>/
    *("generator", "latents", "landmarks", "clusters", "directions", "controls", "pairs"),
    *(
        "goals",
        "fan",
        "inversion",
        "bundle",
        "sources",
        "driving",
        "animations",
        "footage",
        "morphs",
        "ablations",
        "evaluation",
    ),
)

# A job of two threads that is given one processor has both (`runtime.start`): the one that waits must sleep.
# By default it spins, and keeps the other from working. Snakemake sets the number, and OpenMP reads all of
# this when PyTorch is loaded. With two processors spinning for a short while is faster. GNU's OpenMP spins
# for long: where another job had one processor, a gradient step of two threads took 1.0 s, and takes 0.5.
if os.environ.get("OMP_NUM_THREADS") == "1":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
else:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")

# With this package OpenVINO tells Google Analytics of each import, unasked; None says it is not installed.
cast("dict[str, ModuleType | None]", sys.modules).setdefault("openvino_telemetry", None)
