"""Staged face animation by dual distillation of a pretrained StyleGAN."""

import sys

__version__ = "0.1.0"

# With this package OpenVINO tells Google Analytics of each import, unasked; None says it is not installed.
sys.modules.setdefault("openvino_telemetry", None)
