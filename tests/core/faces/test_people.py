"""People of a clip are told apart by their mean faces, which cost nothing until somebody asks."""

import numpy as np
import pytest

from d2a_core.faces import dlib_identity
from d2a_core.faces.people import SAME, WAITING, People


@pytest.fixture
def people(monkeypatch):
    """People whose face is the grey level of a frame, on one line of embeddings, and what counts `looks`."""

    class Embedder:
        looks = 0

        def embed_chip(self, chip):
            self.looks += 1
            return np.eye(dlib_identity.SIZE)[0] * chip.mean() / 100

    found, embedder = People("nowhere"), Embedder()
    monkeypatch.setattr(dlib_identity, "chip", lambda image, points: image)
    monkeypatch.setitem(found.__dict__, "_embedder", embedder)
    return found, embedder


def look(grey):
    return np.full((4, 4, 3), grey, np.uint8), np.zeros((98, 2))


def test_somebody_met_again_keeps_the_number_and_who_never_tells_is_the_one_before(people):
    found, _ = people
    for grey in (10, None, 200, 40, 210):
        number = found.meet()
        if grey is not None:
            found.note(number, *look(grey))
    assert not found.knows(1) and found.numbers().tolist() == [0, 0, 1, 0, 1]


def test_one_person_is_not_looked_at_and_of_many_looks_the_last_wait(people):
    found, embedder = people
    found.meet()
    for grey in [0] * 20 + [50] * WAITING:
        found.note(0, *look(grey))
    assert found.numbers().tolist() == [0] and embedder.looks == 0
    assert found.apart(0, found.embed(*look(50))) == pytest.approx(0)
    assert embedder.looks == WAITING + 1


def test_the_mean_of_all_looks_is_what_a_face_is_compared_with(people):
    found, _ = people
    found.meet()
    for grey in (0, 100):
        found.note(0, *look(grey))
    assert found.apart(0, found.embed(*look(50))) == pytest.approx(0)
    found.note(0, *look(200))
    assert found.apart(0, found.embed(*look(40))) == pytest.approx(0.6) and pytest.approx(0.6) == SAME
