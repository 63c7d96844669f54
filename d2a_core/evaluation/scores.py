"""Scores of one method, pair by pair, from nothing but the pictures that it made.

Our own results are read back from their files like anybody else's, so no method is scored on what it knows
about itself.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core.evaluation import face_table, protocols
from d2a_core.evaluation.face_table import Faces, Picture
from d2a_core.faces import geometry, identity, landmarks
from d2a_core.faces.identity import Embedder
from d2a_core.faces.landmarks import Detections, LandmarkDetector
from d2a_core.faces.schemes import scheme_of
from d2a_core.media import resampling, similarity

PARTS = ("contour", "brows", "eyes", "nose", "mouth")
NORMALISERS = ("inter_ocular", "inter_pupil", "box")


def score(
    pairs: Sequence[Mapping[str, object]],
    faces: Faces,
    result: Callable[[Mapping[str, object]], Picture | None],
    truth: Callable[[str], Picture],
    detector: LandmarkDetector,
    embedder: Embedder,
    *,
    method: str,
    passes: int = protocols.NO_PASSES,
    steps: Mapping[int, float] | None = None,
    progress=None,
) -> dict[str, object]:
    """One row for every pair: is there a picture, is there a face on it, and the `figures.SCORES`.

    `result` gives the picture u1 [H, W, 3] of a pair, or None where there is none; `truth` reads the target
    picture of self-driving, where it is what the result should be. `steps` are the errors of Δw by pair.
    """
    scored = [
        _scored(chunk, faces, result, truth, detector, embedder, progress)
        for chunk in face_table.chunks(pairs)
    ]
    columns = {name: np.concatenate([part[name] for part in scored]) for name in scored[0]}
    numbers = [int(pair["pair"]) for pair in pairs]
    columns["step_error"] = np.array([(steps or {}).get(number, np.nan) for number in numbers], np.float32)
    texts = {name: [pair[name] for pair in pairs] for name in ("protocol", "dataset", "source", "target")}
    count = len(numbers)
    return {"method": [method] * count, "passes": [passes] * count, "pair": numbers, **texts, **columns}


def score_method(
    pairs: Sequence[Mapping[str, object]],
    faces: Faces,
    find: Callable[[Mapping[str, object], int], Picture | None],
    truth: Callable[[str], Picture],
    detector: LandmarkDetector,
    embedder: Embedder,
    *,
    method: str,
    passes: Sequence[int],
    steps: pyarrow.Table | None = None,
    progress=None,
) -> pyarrow.Table:
    """Rows of `score` for each number of `passes`; `find` gives the picture of a pair after so many.

    `steps` is the table of step errors, with the columns pair, passes and step_error.
    """
    rows = steps.to_pylist() if steps is not None else []
    parts = []
    for number in passes:
        known = {row["pair"]: row["step_error"] for row in rows if row["passes"] == number}
        columns = score(
            pairs,
            faces,
            partial(find, passes=number),
            truth,
            detector,
            embedder,
            method=method,
            passes=number,
            steps=known,
            progress=progress,
        )
        parts.append(pyarrow.table(columns))
    return pyarrow.concat_tables(parts)


def _scored(
    chunk: Sequence[Mapping[str, object]],
    faces: Faces,
    result: Callable[[Mapping[str, object]], Picture | None],
    truth: Callable[[str], Picture],
    detector: LandmarkDetector,
    embedder: Embedder,
    progress,
) -> dict[str, NDArray]:
    images = [result(pair) for pair in chunk]
    sources = faces.rows(str(pair["source_image"]) for pair in chunk)
    targets = faces.rows(str(pair["target_image"]) for pair in chunk)
    seen, vectors = _seen(images, detector, embedder)
    wanted = _taken(faces.seen, targets)
    missing = np.array([image is None for image in images])
    usable = ~missing & seen.found & wanted.found & faces.seen.found[sources]
    figures = landmark_errors(seen, wanted)
    source, target = faces.embedding[sources], faces.embedding[targets]
    figures["csim"] = identity.cosine_similarity(source, vectors)
    figures["csim_strangers"] = identity.cosine_similarity(source, target)
    figures["csim_same"] = identity.cosine_similarity(source, faces.flipped[sources])
    for name in ("psnr", "ms_ssim"):
        figures[name] = np.full(len(chunk), np.nan, np.float32)
    for index, (pair, image) in enumerate(zip(chunk, images, strict=True)):
        if image is not None and pair["protocol"] == protocols.SELF:
            figures["psnr"][index], figures["ms_ssim"][index] = fidelity(
                image, truth(str(pair["target_image"]))
            )
    figures = {name: np.where(usable, values, np.nan) for name, values in figures.items()}
    if progress is not None:
        progress.advance(len(chunk))
    return {
        "missing": missing,
        "found": usable,
        **figures,
        "source_yaw": faces.seen.angles[sources, 0],
        "target_yaw": wanted.angles[:, 0],
    }


def _seen(
    images: Sequence[Picture | None], detector: LandmarkDetector, embedder: Embedder
) -> tuple[Detections, NDArray[np.float32]]:
    """Landmarks and embeddings; pictures of other tools may differ in size, and some may be missing."""
    blank = np.zeros((64, 64, 3), np.uint8)
    singles = [blank[None] if image is None else image[None] for image in images]
    alike = len({each.shape for each in singles}) == 1
    groups = [np.concatenate(singles)] if alike else singles
    parts = [detector.detect(group) for group in groups]
    vectors = [embedder.embed(group, part.points) for group, part in zip(groups, parts, strict=True)]
    return landmarks.join(parts), np.concatenate(vectors)


def _taken(seen: Detections, rows: NDArray) -> Detections:
    return Detections(
        *(getattr(seen, name)[rows] for name in ("points", "score", "found", "angles", "canonical"))
    )


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


def fidelity(image: Picture, true: Picture) -> tuple[float, float]:
    """PSNR in dB and MS-SSIM of two pictures, both scaled to 256 px."""
    small = [resampling.resize(each[None], similarity.SMALL)[0] for each in (image, true)]
    return similarity.psnr(*small), similarity.structural_similarity(*small)


def pictures_of(pairs: Sequence[object], passes: Sequence[int]) -> int:
    """Pictures that a method has made."""
    return len(pairs) * len(passes)


def counts(table: pyarrow.Table) -> str:
    """How many results there are, as `name=value` for the log."""
    numbers = {"results": len(table)}
    for name in ("missing", "found"):
        numbers[name] = int(np.sum(table.column(name).to_numpy(zero_copy_only=False)))
    return " ".join(f"{name}={number}" for name, number in numbers.items())
