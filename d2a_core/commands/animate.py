"""Plan and run `d2a animate`."""

import functools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import d2a_core
from d2a_core import config
from d2a_core.commands import checks, delivery
from d2a_core.commands.requests import Request, slug
from d2a_core.commands.runs import Outcome, Plan, Watcher

FACE_MODELS = "data/assets/mediapipe-face"  # in the work directory
LOOKED_FOR_S = 10.0  # how much of a clip is looked at for the face that is to drive


def animate(request: Request, *, watcher: Watcher | None = None) -> dict[str, Path]:
    """Compute what `request` asks for; returns the paths to show, by what they are.

    Raises ValueError, in one sentence, for a user's mistake, found before anything expensive or logged by
    the stage that failed.
    """
    checks.check(request, d2a_core.ROOT)
    return delivery.deliver(request, make_plan, watcher)


def animate_all(requests: Sequence[Request], *, watcher: Watcher | None = None) -> tuple[list[Outcome], Path]:
    """Compute what several requests ask for in one run; returns the end of each, and the log.

    Raises ValueError for a user's mistake, found before anything expensive; what fails later is told by the
    outcome of those that it costs.
    """
    checks.check_all(requests, d2a_core.ROOT)
    return delivery.deliver_all(requests, make_plan, watcher)


def make_plan(request: Request, work: Path) -> Plan:
    """Name the source and the clip of a request, copy them into `work` and say what to compute."""
    faces = [_adopt_source(face, work) for face in _faces(request, work)]
    sources = [entry for entry, _ in faces]
    adopted = {path: _adopt_driver(path, request, work) for path in request.drivers.values()}
    copies = {copy: given for _, copied in faces for copy, given in copied.items()}
    copies |= {entry["path"]: str(path) for path, entry in adopted.items()}
    names = {path: entry["name"] for path, entry in adopted.items()}
    clip, combinations = next(iter(names.values())), []
    if request.combined:
        parts = {part: names[path] for part, path in request.parts.items()}
        clip = _combined_name(parts, names)
        combinations = [{"name": clip, **parts}]
    clips = list({entry["name"]: entry for entry in adopted.values()}.values())
    if request.footage:
        clips = [sources[0], *(each for each in clips if each != sources[0])]
    driving = {"clips": clips, "combinations": combinations}
    overlay = {"driving": driving, **request.settings} | ({} if request.footage else {"sources": sources})
    pairs = [f"{source['name']}--{clip}" for source in sources]
    folder = "footage" if request.footage else "animations"
    stems = [f"results/{folder}/{pair}" for pair in pairs]
    results = _results_of_all(stems) if request.all_faces else _results(request, stems[0])
    main = "all faces" if request.all_faces else "paste-back" if request.paste_back else "video"
    places = {main: request.output, "side by side": request.side_by_side, "frames": request.frames}
    wanted = {what: path for what, path in places.items() if path is not None}
    return Plan(f"{pairs[0]}--{delivery.digest([overlay, results])}", overlay, results, copies, wanted)


def _faces(request: Request, work: Path) -> list[Request]:
    """Requests for the faces that are to move: all on the photo, or the one that is asked for.

    A photo on which none is found is left to the stage that says so.
    """
    if not request.all_faces:
        return [request]
    models = _face_models(request, work)
    if models is None:
        models = work / FACE_MODELS
        raise ValueError(
            f"--face all looks for faces first, but their models are not in {models}; run "
            f"d2a fetch {models.name} --folder {models.parent}, or leave --dry-run out"
        )
    _, copy = delivery.adopt(request.photo, work, "photo")
    found = _count(work / copy, models, request.cores or os.cpu_count() or 1)
    return [replace(request, face=number) for number in range(1, max(1, found) + 1)]


def _face_models(request: Request, work: Path) -> Path | None:
    """Folder of what finds faces, fetched where it is not there; None where a dry run finds none."""
    models = work / FACE_MODELS
    if not models.is_dir():
        if request.dry_run:
            return None
        plan = Plan("face-models", {}, {"models": FACE_MODELS}, {}, {})
        delivery.compute(request, [plan], work, Watcher())
    return models


def _adopt_driver(path: Path, request: Request, work: Path) -> dict[str, Any]:
    """Entry of a clip in the config; its name tells who of it drives, where that is asked for.

    Raises ValueError for a face that is not there, before any stage runs.
    """
    name, copy = delivery.adopt(path, work, "clip")
    if not request.driver_face:
        return {"name": name, "path": copy}
    models = _face_models(request, work)
    if models is not None:
        looks = config.configuration(d2a_core.ROOT, request.configfiles)["landmarks"]
        _look_for(request.driver_face, work / copy, models, str(path), **looks)
    return {"name": f"{name}-face-{request.driver_face}", "path": copy, "face": request.driver_face}


@functools.cache
def _look_for(face: int, clip: Path, models: Path, given: str, **looks: Any) -> None:
    """Raise ValueError unless the copy of a clip, `given` by the user, has the face of this number.

    It looks as the stage does that follows it, with these options, up to the first frame that shows a face.
    """
    from d2a_core.faces import detectors, landmarks, tracking  # with PyTorch, as below
    from d2a_core.media import video_reading

    options = landmarks.Options(**looks | {"box": "detect"})
    detector = detectors.load_detector(options, models, device="cpu", threads=os.cpu_count() or 1)
    rate = float(video_reading.probe(clip).rate)
    nobody = models.with_name("dlib-face")  # by which nobody needs to be told apart yet
    follower = tracking.follower(detector, nobody, rate_hz=rate, number=face, clip=given)
    for frame in islice(video_reading.read_frames(clip), math.ceil(LOOKED_FOR_S * rate)):
        if follower.see(frame.image, cut=False).found[0]:
            return


@functools.cache
def _count(photo: Path, models: Path, threads: int) -> int:
    """Faces on the copy of a photo, whose name follows its content; looked for once in a matrix."""
    from d2a_core.faces import mediapipe, search  # with PyTorch, for which no other request should wait
    from d2a_core.media import photos

    image = photos.read_photo(photo).image
    return len(search.find(image, mediapipe.FaceModels(models, device="cpu", threads=threads)))


def _adopt_source(request: Request, work: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Entry of the source in the config, a video's among the clips, and the user's file by its copy."""
    if not request.footage:
        return delivery.adopt_source(request, work)
    name, path = delivery.adopt(request.photo, work, "clip")
    return {"name": name, "path": path}, {path: request.source}


def _combined_name(parts: Mapping[str, str], clips: Iterable[Path]) -> str:
    """Name of a combination: what its clips are called, and a digest of which moves what."""
    called = "-and-".join(path.stem for path in clips)
    return f"{slug(called, 'clips')}-{delivery.digest(parts)}"


def _results(request: Request, stem: str) -> dict[str, str]:
    """Targets of the workflow, by what they are."""
    wanted = {
        "video": (True, ".mp4"),
        "side by side": (True, "--side-by-side.mp4"),
        "contact sheet": (True, ".sheet.png"),
        "figures": (True, ".figures.parquet"),
        "paste-back": (request.paste_back, "--paste-back.mp4"),
        "frames": (request.frames is not None, "--frames"),
    }
    return {what: stem + kind for what, (asked, kind) in wanted.items() if asked}


def _results_of_all(stems: Sequence[str]) -> dict[str, str]:
    """Targets with which every face of a photo moves, by what they are; those of one face have its number."""
    kinds = {"face": ".mp4", "sheet": ".sheet.png", "figures": ".figures.parquet"}
    own = {
        f"{what} {number}": stem + kind
        for number, stem in enumerate(stems, start=1)
        for what, kind in kinds.items()
    }
    return {"all faces": f"{stems[0]}--all-faces.mp4"} | own
