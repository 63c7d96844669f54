from types import SimpleNamespace

import numpy as np
import pytest
import torch

from d2a_core.evaluation import held_out
from d2a_core.generator import rendering

DIRECTIONS = {
    "vector": np.repeat(np.eye(6, dtype=np.float32)[:3, None], 8, axis=1),
    "layer_groups": np.array([1]),
    "mean_w": np.zeros(6, np.float32),
    "radius": np.array([5.0]),
    "reach": np.array([3.0]),
}


@pytest.fixture
def generator():
    """W is Z, and the picture of a code is its first number."""
    return SimpleNamespace(
        z_dim=6,
        num_layers=10,
        batch=8,
        map=lambda z: z,
        synthesize=lambda wplus, size=None, consultation=None: wplus[:, 0, :1, None, None].expand(
            -1, 3, 4, 4
        ),
    )


def _draw(generator, trained, seed=1):
    return held_out.draw(generator, trained, DIRECTIONS, count=4, seed=seed)


def test_augmented_sources_are_the_sources_after_a_known_step_in_the_ball(generator):
    drawn = _draw(generator, np.zeros((2, 6)))
    assert torch.equal(drawn.augmented, rendering.apply(drawn.source, drawn.delta))
    assert torch.equal(drawn.augmented[:, 8:], drawn.source[:, 8:])
    assert (drawn.delta.norm(dim=-1) <= 3.0001).all() and (drawn.delta.norm(dim=-1) > 0).all()
    assert not drawn.delta[:, :, 3:].any()
    names = [name for name, _ in drawn.pictures(generator)]
    assert names[:2] == ["s00000", "s00001"] and len(set(names)) == 16


def test_no_face_has_two_roles_and_the_seed_decides(generator):
    drawn, again = _draw(generator, np.zeros((2, 6))), _draw(generator, np.zeros((2, 6)))
    faces = torch.cat((drawn.source, drawn.target, drawn.reference))[:, 0]
    assert len(torch.unique(faces, dim=0)) == 12
    assert torch.equal(drawn.target, again.target)
    assert not torch.equal(drawn.target, _draw(generator, np.zeros((2, 6)), seed=2).target)


def test_a_seed_that_training_drew_from_is_refused(generator):
    trained = np.zeros((7, 6), np.float32)
    trained[3:] = _draw(generator, np.zeros((2, 6)), seed=5).target[:, 0]
    with pytest.raises(ValueError, match="seed 5 draws 4 of 12 faces that were trained on"):
        _draw(generator, trained, seed=5)
    _draw(generator, trained, seed=6)
