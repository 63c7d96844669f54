"""Pictures that are their person and pose, and instruments that read both off two pixels."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow

from d2a_core.evaluation import face_table, protocols, scores
from d2a_core.evaluation.instruments import Instruments
from d2a_core.faces.dlib_landmarks import as_68
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.mean_face import template_of
from d2a_core.faces.schemes import WFLW98

TEMPLATE = template_of(WFLW98)[:, :2]
OUTER = np.linalg.norm(TEMPLATE[60] - TEMPLATE[72])  # distance of the outer eye corners


def seen(points, angles=(0.0, 0.0, 0.0), canonical=None):
    """Detections of faces with these landmarks [N, 98, 2]."""
    points = np.asarray(points, np.float32)
    count = len(points)
    return Detections(
        points=points,
        score=np.ones(count, np.float32),
        found=~np.isnan(points).any(axis=(1, 2)),
        angles=np.tile(np.float32(angles), (count, 1)),
        canonical=np.asarray(points if canonical is None else canonical, np.float32),
    )


@dataclass
class World:
    """Two detectors and an embedder. The second detector sees a face turn half as far again."""

    scheme = WFLW98
    name = "made-up"

    def picture(self, person, pose):
        image = np.zeros((64, 64, 3), np.uint8)
        image[0, 0, 0], image[:, :, 1] = person, pose
        return image

    def detect(self, images):
        pose = images[:, 5, 5, 1].astype(np.float32)
        points = np.tile(TEMPLATE[None] * 0.3 + 0.5, (len(images), 1, 1))
        points[..., 0] += 0.001 * pose[:, None]
        faceless = images[:, 5, 5, 2] > 0
        points[faceless] = np.nan
        return replace(seen(points), angles=np.stack((pose, 0 * pose, 0 * pose), axis=1))

    def points(self, images, faces):
        turn = 0.0005 * images[:, 5, 5, 1].astype(np.float32)
        return as_68(faces) + np.stack((turn, 0 * turn), axis=1)[:, None]

    def embed(self, images, points):
        person = np.maximum(images[:, 0, 0, 0], images[:, 0, -1, 0]).astype(np.float32)
        vector = np.stack((np.cos(person), np.sin(person)), axis=1)
        return np.where(np.isnan(points).any(axis=(1, 2))[:, None], np.nan, vector)


WORLD = World()
EYES = Instruments(WORLD, WORLD, WORLD)
# Sources are persons 1 to 4 at rest, targets persons 11 to 14 turned.
FACES = {
    protocols.image_path("held-out", f"{kind}{number:05d}"): WORLD.picture(first + number, turn(number))
    for kind, first, turn in (("s", 1, lambda number: 0), ("t", 11, lambda number: 20 + 5 * number))
    for number in range(4)
}
OPTIONS = protocols.Options(pairs=4, sources=1, frames=1, finetuned=0, seed=0)
PAIRS = [pair for pair in protocols.draw({"held-out": 4}, [], OPTIONS) if pair.protocol == protocols.CROSS]


def judge():
    """Scores results against the faces."""
    known = face_table.known(pyarrow.table(face_table.look(FACES.items(), EYES)))
    return scores.Judge(known, FACES.__getitem__, EYES)


def score(find, method="ours"):
    """Scores of a method after no pass, whose pictures `find` gives by their pair."""
    return judge().score(PAIRS, {method: lambda pair, passes: find(pair)}, passes=[0])
