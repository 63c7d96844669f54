from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import d2a_core
from d2a_core.store import provenance


def test_provenance_keeps_plain_values_and_drops_none():
    @dataclass(frozen=True)
    class Options:
        seed: int

    facts = provenance.provenance(
        generator="g",
        detector=None,
        mean=np.float32(0.5),
        sides=(1, 2),
        options=Options(3),
        path=Path("a/b"),
        count=np.arange(2),
    )
    assert facts == {
        "generator": "g",
        "mean": 0.5,
        "sides": [1, 2],
        "options": {"seed": 3},
        "path": "a/b",
        "count": [0, 1],
        "created_by": "d2animator",
        "version": d2a_core.__version__,
    }


@pytest.mark.parametrize("fact", [{1, 2}, float("nan"), object])
def test_provenance_names_what_json_cannot_hold(fact):
    with pytest.raises(ValueError, match="the fact odd="):
        provenance.provenance(odd=fact)
