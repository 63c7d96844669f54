"""A detector that searches the picture first, and a photograph to find a face on."""

import pytest

from d2a_core.faces import detectors
from d2a_core.faces.landmarks import Options


@pytest.fixture(scope="session")
def detector(assets):
    options = Options(detector="facemesh", min_score=0.5, box="detect", weights=None)
    return detectors.load_detector(options, assets / "mediapipe-face", device="cpu", threads=1)


@pytest.fixture(scope="session")
def portrait():
    """A photograph u1 [512, 512, 3]; the face is about 110 px wide, its middle near (225, 120)."""
    return pytest.importorskip("skimage.data").astronaut()
