"""Scores of one method, pair by pair, from nothing but the pictures that it made.

Our own results are read back from their files like anybody else's, so no method is scored on what it knows
about itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.evaluation import face_table, protocols
from d2a_core.evaluation.face_table import Faces, Picture
from d2a_core.evaluation.instruments import Instruments
from d2a_core.evaluation.protocols import Pair
from d2a_core.evaluation.results import Find
from d2a_core.faces import dlib_landmarks, geometry, identity, landmarks, surroundings
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.schemes import scheme_of
from d2a_core.media import resampling, similarity
from d2a_core.runtime import Progress

PARTS = ("contour", "brows", "eyes", "nose", "mouth")
NORMALISERS = ("inter_ocular", "inter_pupil", "box")


@dataclass(frozen=True)
class Judge:
    """Scores pictures of results against known `faces`, with the instruments `eyes`.

    `picture` reads that of a known face: the source's, of which all but the face should stay, and the
    target's in self-driving, where it is what the result should be.
    """

    faces: Faces
    picture: Callable[[str], Picture]
    eyes: Instruments

    def score(
        self,
        pairs: Sequence[Pair],
        finders: Mapping[str, Find],
        *,
        passes: Sequence[int],
        steps: pyarrow.Table | None = None,
        progress: Progress | None = None,
    ) -> pyarrow.Table:
        """One row for every method, number of passes and pair: picture or none, face or none, and figures.

        `finders` give the pictures of each method by its name, `steps` is the table of the errors of Δw, with
        columns pair, passes and step_error.
        """
        rows = [] if steps is None else steps.to_pylist()
        errors = {(row["pair"], row["passes"]): row["step_error"] for row in rows}
        parts = []
        for (method, find), number in product(finders.items(), passes):
            for chunk in face_table.chunks(pairs):
                columns = _columns(chunk, method, number)
                columns |= self._figures(chunk, [find(pair, number) for pair in chunk])
                known = [errors.get((pair.number, number), np.nan) for pair in chunk]
                parts.append(pyarrow.table({**columns, "step_error": np.array(known, np.float32)}))
                if progress is not None:
                    progress.advance(len(chunk))
        return pyarrow.concat_tables(parts).combine_chunks()

    def _figures(self, pairs: Sequence[Pair], images: Sequence[Picture | None]) -> dict[str, NDArray]:
        sources = self.faces.rows(pair.source_image for pair in pairs)
        targets = self.faces.rows(pair.target_image for pair in pairs)
        seen, second, vectors = _seen(images, self.eyes)
        wanted = self.faces.seen.rows(targets)
        missing = np.array([image is None for image in images])
        usable = ~missing & seen.found & wanted.found & self.faces.seen.found[sources]
        source, target = self.faces.embedding[sources], self.faces.embedding[targets]
        figures = landmark_errors(seen, wanted)
        figures["nme_dlib"] = second_errors(second, self.faces.second[targets], wanted.points)
        figures["csim"] = identity.cosine_similarity(source, vectors)
        figures["csim_strangers"] = identity.cosine_similarity(source, target)
        figures["csim_same"] = identity.cosine_similarity(source, self.faces.flipped[sources])
        figures["psnr"], figures["ms_ssim"] = self._fidelities(pairs, images).T
        figures["psnr_outside"], figures["ssim_outside"] = self._outside(pairs, images, seen.points).T
        return {
            "missing": missing,
            "found": usable,
            **{name: np.where(usable, values, np.nan) for name, values in figures.items()},
            "source_yaw": self.faces.seen.angles[sources, 0],
            "target_yaw": wanted.angles[:, 0],
        }

    def _fidelities(self, pairs: Sequence[Pair], images: Sequence[Picture | None]) -> NDArray[np.float32]:
        """`fidelity` [N, 2] of each picture, NaN where nobody knows what it should be."""
        found = np.full((len(pairs), 2), np.nan, np.float32)
        for row, pair, image in zip(found, pairs, images, strict=True):
            if image is not None and pair.protocol == protocols.SELF:
                row[:] = fidelity(image, self.picture(pair.target_image))
        return found

    def _outside(
        self, pairs: Sequence[Pair], images: Sequence[Picture | None], points: NDArray
    ) -> NDArray[np.float32]:
        """PSNR and SSIM [N, 2] of each picture and its source outside their faces; `points` [N, P, 2]."""
        found = np.full((len(pairs), 2), np.nan, np.float32)
        known = self.faces.seen.points[self.faces.rows(pair.source_image for pair in pairs)]
        for row, pair, image, face, rest in zip(found, pairs, images, points, known, strict=True):
            if image is not None:
                both = surroundings.compared(image, face, self.picture(pair.source_image), rest)
                row[:] = similarity.psnr_where(*both), similarity.ssim_where(*both)
        return found


def _columns(pairs: Sequence[Pair], method: str, passes: int) -> dict[str, object]:
    """Columns that say which result a row is of."""
    texts = {
        name: [getattr(pair, name) for pair in pairs] for name in ("protocol", "dataset", "source", "target")
    }
    count = len(pairs)
    numbers = [pair.number for pair in pairs]
    return {"method": [method] * count, "passes": [passes] * count, "pair": numbers, **texts}


def _seen(
    images: Sequence[Picture | None], eyes: Instruments
) -> tuple[Detections, NDArray[np.float32], NDArray[np.float32]]:
    """Landmarks of both detectors [N, P, 2] and [N, 68, 2], and embeddings [N, D].

    Pictures of other tools may differ in size, and some may be missing.
    """
    blank = np.zeros((64, 64, 3), np.uint8)
    singles = [blank[None] if image is None else image[None] for image in images]
    alike = len({each.shape for each in singles}) == 1
    groups = [np.concatenate(singles)] if alike else singles
    parts = [eyes.detector.detect(group) for group in groups]
    looked = [(group, part.points) for group, part in zip(groups, parts, strict=True)]
    second = [eyes.second.points(*each) for each in looked]
    vectors = [eyes.embedder.embed(*each) for each in looked]
    return landmarks.join(parts), np.concatenate(second), np.concatenate(vectors)


def landmark_errors(result: Detections, target: Detections) -> dict[str, NDArray[np.float32]]:
    """Errors [N] of the faces of `result` against those of `target`, NaN where one has none.

    `nme_*` as fractions of the target's size: all points by each of the `NORMALISERS`, each of the `PARTS` by
    the inter-ocular distance. `*_error`: yaw, pitch and roll in degrees; openings of mouth and eyes and the
    gaze in the units of `geometry.attributes`, on points turned to the front.
    """
    scheme = scheme_of(result.points.shape[1])
    figures = {
        f"nme_{name}": geometry.normalized_mean_error(result.points, target.points, normaliser=name)
        for name in NORMALISERS
    }
    distance = np.linalg.norm(result.points - target.points, axis=-1)
    size = geometry.face_size(target.points, "inter_ocular")
    for part in PARTS:
        figures[f"nme_{part}"] = distance[:, list(scheme.parts[part])].mean(axis=1) / size
    ours, theirs = (
        geometry.attributes(seen.points, seen.canonical, seen.angles, scheme) for seen in (result, target)
    )
    for name in ("yaw", "pitch", "roll"):
        figures[f"{name}_error"] = np.abs(ours[name] - theirs[name])
    for name in ("mouth", "eye"):
        figures[f"{name}_error"] = np.abs(ours[f"{name}_opening"] - theirs[f"{name}_opening"])
    figures["gaze_error"] = np.hypot(*(ours[name] - theirs[name] for name in ("gaze_x", "gaze_y")))
    return {name: np.asarray(values, np.float32) for name, values in figures.items()}


def second_errors(result: NDArray, target: NDArray, known: NDArray) -> NDArray[np.float32]:
    """Errors [N] of the second detector's points [N, 68, 2] on results against those on targets.

    In the target's inter-ocular distances; NaN where they are astray on the target, whose landmarks by the
    first detector are `known` [N, P, 2]. That is so or not for all methods alike.
    """
    error = geometry.normalized_mean_error(result, target)
    return np.where(dlib_landmarks.trusted(target, known), error, np.float32(np.nan))


def fidelity(image: Picture, true: Picture) -> tuple[float, float]:
    """PSNR in dB and MS-SSIM of two pictures, both scaled to 256 px."""
    small = [resampling.resize(each[None], similarity.SMALL)[0] for each in (image, true)]
    return similarity.psnr(*small), similarity.structural_similarity(*small)


def counts(table: pyarrow.Table) -> str:
    """Number of results, as `name=value` for the log."""
    numbers = {"results": len(table)}
    for name in ("missing", "found"):
        numbers[name] = int(np.sum(table.column(name).to_numpy(zero_copy_only=False)))
    return " ".join(f"{name}={number}" for name, number in numbers.items())
