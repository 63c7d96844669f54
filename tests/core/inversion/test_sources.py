import numpy as np
import pytest
import torch
from flat_generator import Flat

from d2a_core.faces.landmarks import Detections
from d2a_core.inversion import sources


def test_truncation_pulls_a_source_towards_the_mean():
    full, half, none = (sources.code(Flat(), seed=3, truncation=psi) for psi in (1.0, 0.5, 0.0))
    assert full.shape == (1, 16, 512)
    assert torch.allclose(half - 1, 0.5 * (full - 1), atol=1e-6)
    assert torch.equal(none, torch.ones(1, 16, 512))


def test_a_source_without_a_face_is_one_sentence():
    class Blind:
        def detect(self, images):
            count = len(images)
            nan = np.full((count, 98, 2), np.nan)
            return Detections(nan, np.zeros(count), np.zeros(count, bool), nan[:, :3, 0], nan)

    with pytest.raises(ValueError, match="no face found on the source 'eve'; choose another seed than 7"):
        sources.sample(Flat(), Blind(), sources.Options(name="eve", seed=7, truncation=1.0))
