"""Controls of made-up faces: measured, and ready to move."""

import controlled_faces
import pytest
from controlled_faces import BALL, World

from d2a_core.directions.sliders import Controls


@pytest.fixture(scope="session")
def looker():
    return controlled_faces.looker(World())


@pytest.fixture(scope="session")
def measured(looker):
    return controlled_faces.measured(looker)


@pytest.fixture
def moves(measured):
    return Controls(measured, BALL)
