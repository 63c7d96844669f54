"""Staged face animation by dual distillation of a pretrained StyleGAN."""

import sys
from pathlib import Path

__version__ = "0.1.0"
ROOT = Path(__file__).parents[1]  # of the project: Snakefile, config.yaml, schemas, profiles

# With this package OpenVINO tells Google Analytics of each import, unasked; None says it is not installed.
sys.modules.setdefault("openvino_telemetry", None)
