"""On a machine that others use too: nothing runs what a config says, shows what is private, or calls home."""

import os
import subprocess
import sys

from tiny_project import ROOT

SPY = """
import os, sys

def tell(event, words):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os.write(1, f"{words}".encode())  # also from a child, which inherits this

sys.addaudithook(tell)
from d2a_core import arcface, engine
from d2a_core.networks import encoder, facemesh, mobile_stylegan
import openvino, time
time.sleep(2)  # what is sent is sent in the background
"""


def test_no_library_calls_home_when_it_is_imported():
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD")}
    done = subprocess.run(
        [sys.executable, "-c", SPY],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""
