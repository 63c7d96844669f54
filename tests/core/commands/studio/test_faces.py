"""Faces that the studio knows."""

import pytest

from d2a_core.commands import delivery
from d2a_core.commands.requests import Request
from d2a_core.commands.studio.faces import Faces


@pytest.fixture
def faces(tmp_path):
    """The faces of a work directory: one of the config, a made-up one, and one of the evaluation."""
    entry, _ = delivery.adopt_source(Request(source="seed:7", work=tmp_path), tmp_path)
    for name in ("anna", entry["name"], "held-out-3"):
        (tmp_path / "results" / "sources" / name / "inversion.zarr").mkdir(parents=True)
    settings = {"sources": [{"name": "anna", "image": "photos/anna.jpg", "face": 0}]}
    return Faces(tmp_path, settings, threads=1)


def test_faces_are_those_of_the_config_and_those_that_were_asked_for(faces):
    anna, seed = faces.known()
    assert (anna.name, anna.options) == (
        "anna",
        {"source": str(faces.work / "photos/anna.jpg"), "face": None},
    )
    assert (seed.name, seed.options, seed.label) == ("seed-7", {"source": "seed:7"}, "seed-7 (made up)")


def test_a_face_that_is_not_there_is_one_sentence(faces):
    with pytest.raises(ValueError, match="there is no face called 'held-out-3' here; choose another one"):
        faces.named("held-out-3")
