"""A second opinion on landmarks: dlib's 68 points, which no stage of the workflow uses.

FAN may be trained through the first detector, so that the first detector alone cannot judge it. The method is
that of Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees" (CVPR
2014); the model learned from 300-W (iBUG).
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import geometry
from d2a_core.faces.schemes import IBUG68, IBUG68_IN_WFLW98, Scheme

FILE = "shape_predictor_68_face_landmarks.dat"
SIDE = 1.1  # side of dlib's box in √(w·h) of the box around the first detector's points
RISE = 0.07  # how far its middle lies above that of the other, in the same unit
LOST = (
    0.1  # mean distance of both detectors' points, in inter-ocular distances, above which dlib's are astray
)


class SecondDetector(Protocol):
    """Contract of `DlibLandmarks`; `name` is printed in tables."""

    name: str
    scheme: Scheme

    def points(self, images: NDArray[np.uint8], faces: NDArray) -> NDArray[np.float32]:
        """[N, 68, 2] fractions for images u1 [N, H, W, 3] with landmarks `faces` [N, P, 2]; NaN for NaN."""
        ...


class DlibLandmarks:
    """dlib's 68 points of faces that the first detector has found.

    The search starts from a square of fixed proportions around the first detector's points on the same
    picture. dlib's own face detector finds few turned faces and gives boxes in steps of a fifth: some
    pictures of a comparison would start from its box and others not. On 24 renders of 1024 px and a
    photograph its boxes were 1.11 ± 0.05 √(w·h) wide and 0.07 ± 0.06 above the middle, hence SIDE and RISE,
    and a start from them moved the points by 0.7 % of the inter-ocular distance. The start tells the
    regression where to begin and not where to end: of a shift of it the points go along with 1 %, and
    scatter by 0.7 %.
    """

    name, scheme = "dlib's 68 points", IBUG68

    def __init__(self, folder: str | Path) -> None:
        import dlib

        self._dlib, path = dlib, Path(folder) / FILE
        try:
            self._predictor = dlib.shape_predictor(str(path))
        except RuntimeError as error:  # missing, cut or something else
            raise ValueError(f"{path} is not dlib's landmark model; run `d2a fetch dlib-face`") from error

    def points(self, images: NDArray[np.uint8], faces: NDArray) -> NDArray[np.float32]:
        """[N, 68, 2] fractions for images u1 [N, H, W, 3] with landmarks `faces` [N, P, 2]; NaN for NaN."""
        return np.stack([self._one(image, face) for image, face in zip(images, faces, strict=True)])

    def _one(self, image: NDArray[np.uint8], face: NDArray) -> NDArray[np.float32]:
        if np.isnan(face).any():
            return np.full((self.scheme.size, 2), np.nan, np.float32)
        sides = np.array([image.shape[1], image.shape[0]], np.float32)
        box = self._dlib.rectangle(*(round(float(edge)) for edge in square(face * sides)))
        found = self._predictor(np.ascontiguousarray(image), box)
        return np.array([(point.x, point.y) for point in found.parts()], np.float32) / sides


def square(points: NDArray) -> NDArray[np.float64]:
    """Left, top, right and bottom of the square that dlib starts from, around points [P, 2] in pixels."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    size = np.sqrt(np.prod(high - low))
    middle = (low + high) / 2 - [0, RISE * size]
    return np.concatenate((middle - SIDE * size / 2, middle + SIDE * size / 2))


def trusted(second: NDArray, faces: NDArray) -> NDArray[np.bool_]:
    """Whether dlib's points [N, 68, 2] are on the faces with landmarks `faces` [N, P, 2]; not so for NaN.

    On faces turned by more than some 30° they go astray. On held-out faces both detectors are 3 to 7 % of the
    inter-ocular distance apart by habit, and more than 10 %, up to 100, where dlib is astray. Ask only of
    pictures that nothing was trained on, such as a target: on a result the distance is what is measured.
    """
    return geometry.normalized_mean_error(second, as_68(faces)) <= LOST


def as_68(points: NDArray) -> NDArray:
    """Landmarks [N, P, 2] of either layout in that of 300-W: [N, 68, 2].

    A point of WFLW stands for the one at the same place: every other one of the jaw, the upper lines of the
    brows, the nose, the corners of the eyes and two of three points of a lid, the mouth.
    """
    return points if points.shape[1] == IBUG68.size else points[:, list(IBUG68_IN_WFLW98)]
