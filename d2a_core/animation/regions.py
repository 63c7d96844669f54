"""Regions of a face that may follow a clip of their own."""

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces.schemes import Scheme


def _lips(scheme: Scheme) -> NDArray[np.float64]:
    """Share of each point [P] that goes with the lips: of the jaw less and less from the chin to the ears."""
    contour, share = list(scheme.parts["contour"]), np.zeros(scheme.size)
    share[contour] = np.cos(np.pi * np.linspace(-0.5, 0.5, len(contour)))
    share[list(scheme.rigid)] = 0
    share[list(scheme.parts["mouth"])] = 1
    return share


def _eyes(scheme: Scheme) -> NDArray[np.float64]:
    """Share of each point [P] that goes with the eyes: lids and pupils, not the corners, which are rigid."""
    share = np.zeros(scheme.size)
    share[list(scheme.parts["eyes"])] = 1
    share[list(scheme.rigid)] = 0
    return share


REGIONS = {"lips": _lips, "eyes": _eyes}
