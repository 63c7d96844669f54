import threading

import numpy as np
import pytest
import torch
from linear_world import GAIN, REST, LinearWorld

from d2a_core import runtime
from d2a_core.generator import detection

COUNT = 10  # faces, in batches of LinearWorld.batch
PATIENCE_S = 30


class Timed(LinearWorld):
    """A world whose looks wait until the second batch is being rendered, `patience_s` at most."""

    def __init__(self, patience_s):
        super().__init__()
        self.patience_s, self.renders, self.second, self.waited = patience_s, 0, threading.Event(), []

    def synthesize(self, wplus, size=None, consultation=None):
        self.renders += 1
        if self.renders == 2:
            self.second.set()
        return super().synthesize(wplus, size, consultation)

    def detect(self, images):
        self.waited.append(self.second.wait(self.patience_s))
        return super().detect(images)


@pytest.fixture(params=[1, 2])
def threads(request):
    yield runtime.limit_threads(request.param) or request.param
    runtime.limit_threads(2)


def _detect(world):
    wplus = torch.zeros(COUNT, world.num_layers, world.w_dim)
    delta = torch.zeros(COUNT, 8, world.w_dim)
    delta[:, :, 0] = torch.arange(COUNT)[:, None] / 4
    return detection.detect(world, world, wplus, delta, size=8)


def test_faces_keep_their_order(threads):
    seen = _detect(LinearWorld(blind=[5]))
    assert list(seen.found) == [number != 5 for number in range(COUNT)]
    across = (seen.points - REST)[seen.found].mean(axis=1)[:, 0]
    assert across == pytest.approx(GAIN * np.delete(np.arange(COUNT), 5) / 4, abs=GAIN / 8)


def test_a_job_of_two_threads_renders_while_it_detects_and_one_of_one_does_not(threads):
    world = Timed(PATIENCE_S if threads == 2 else 0)
    assert _detect(world).found.all()
    assert world.waited[0] == (threads == 2)


def test_what_the_detector_says_of_a_fault_is_raised(threads):
    class Blind(LinearWorld):
        def detect(self, images):
            raise ValueError("no model here")

    with pytest.raises(ValueError, match="no model here"):
        _detect(Blind())
