"""Watch over who is followed through a clip: look who else is near, and whose the face is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from d2a_core.faces import search
from d2a_core.faces.mediapipe import FaceModels
from d2a_core.faces.people import CLEAR, OTHER, SAME, People

LOOK_EVERY_S = 0.5  # between looks at who is followed
GLANCE_EVERY_S = 0.25  # between glances at who else is near, a third of the work of following for a frame
COMPANY = 4.0  # sides of its region around a face that a glance sees
ITSELF = 0.35  # side of its region within which a glance sees the followed face itself
TELLING_DEGREES = 35.0  # turn of the head up to which a face tells who it is


class Watch:
    """Who of the `people` is followed, the `person`, and whether a face is theirs.

    Now and then it glances at who is near. Where somebody is, the face is compared with the person's every
    half second, and every frame while somebody is or was next to it: then it must be clear that it is theirs.
    """

    def __init__(self, people: People, models: FaceModels, *, rate_hz: float) -> None:
        self.people, self.models = people, models
        self.person = 0
        self.wary = 0  # frames for which every look is doubted
        self._company = False  # whether the last glance saw somebody
        self._frames = 0  # in which the face was seen
        self._look_every, self._glance_every = (
            max(1, round(every * rate_hz)) for every in (LOOK_EVERY_S, GLANCE_EVERY_S)
        )

    def meet(self) -> None:
        """Follow somebody new from now on."""
        self.person = self.people.meet()
        self.forget_company()

    def forget_company(self) -> None:
        """Begin anew, with nobody near."""
        self.wary, self._company = 0, False

    def confirms(self, image: NDArray[np.uint8], region: NDArray, points: NDArray, yaw: float) -> bool | None:
        """Whether the face seen in a `region` [4] of a frame u1 [H, W, 3] still is the person's, or may be.

        `points` [P, 2] are its landmarks as fractions of the frame, `yaw` is in degrees. None now and then,
        where somebody is near and the face does not tell: it may be another's who looks aside.
        """
        known = self.people.knows(self.person)
        due, self._frames = not known or self._frames % self._look_every == 0, self._frames + 1
        if self._company or self.wary or self._frames % self._glance_every == 0:
            self._glance(image, region)
        sure = not self._company and not self.wary
        if not telling(yaw):
            return None if due and known and not sure else True
        if not (due or self.wary):
            return True
        if known and not sure:
            apart = self.apart(image, points)
            if apart > self.limit:
                return False
            sure = apart <= CLEAR
        if due and (sure or not known):
            self.people.note(self.person, image, points)
        return True

    def possible(self, image: NDArray[np.uint8], faces: Sequence[search.Face]) -> list[search.Face]:
        """Those of the faces on a frame that may be the person's."""
        if not self.people.knows(self.person):
            return list(faces)

        def may_be(face: search.Face) -> bool:
            return self._away(image, face) <= self.limit if telling(face.yaw) else not self.wary

        return [face for face in faces if may_be(face)]

    def recognised(self, image: NDArray[np.uint8], faces: Sequence[search.Face]) -> search.Face | None:
        """The face that is the person's, where it is sure that one is."""
        known = [face for face in faces if telling(face.yaw)] if self.people.knows(self.person) else []
        away = [self._away(image, face) for face in known]
        return known[int(np.argmin(away))] if away and min(away) <= min(SAME, self.limit) else None

    @property
    def limit(self) -> float:
        """Distance up to which a face may be the person's."""
        return CLEAR if self.wary else OTHER

    def apart(self, image: NDArray[np.uint8], points: NDArray) -> float:
        """Distance of a face with landmarks [P, 2], as fractions of the frame, from that of the person."""
        return self.people.apart(self.person, self.people.embed(image, points))

    def _away(self, image: NDArray[np.uint8], face: search.Face) -> float:
        return self.apart(image, face.points / image.shape[1::-1])

    def _glance(self, image: NDArray[np.uint8], region: NDArray) -> None:
        """See who is around the followed face, and whether next to it."""
        side = region[2]
        others = search.glance(image, self.models, centre=region[:2], side=COMPANY * side)
        away = np.linalg.norm(others[:, :2] - region[:2], axis=1)
        others, away = others[away > ITSELF * side], away[away > ITSELF * side]
        behind = self._company and not len(others)  # or in front of it, or gone
        close = bool((away < (side + others[:, 2]) / 2).any())
        self._company = bool(len(others))
        self.wary = self._look_every if close or behind else max(0, self.wary - 1)


def telling(yaw: float) -> bool:
    """Whether a face is turned to the camera far enough to tell who it is; `yaw` is in degrees."""
    return bool(abs(yaw) <= TELLING_DEGREES)
