"""Plan and run `d2a animate`."""

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import d2a_core
from d2a_core.commands import checks, delivery
from d2a_core.commands.requests import Request, slug
from d2a_core.commands.runs import Outcome, Plan, Watcher

FACE_MODELS = "data/assets/mediapipe-face"  # in the work directory


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
    adopted = {path: delivery.adopt(path, work, "clip") for path in request.drivers.values()}
    copies = {copy: given for _, copied in faces for copy, given in copied.items()}
    copies |= {copy: str(path) for path, (_, copy) in adopted.items()}
    names = {path: name for path, (name, _) in adopted.items()}
    clip, combinations = next(iter(names.values())), []
    if request.combined:
        parts = {part: names[path] for part, path in request.parts.items()}
        clip = _combined_name(parts, names)
        combinations = [{"name": clip, **parts}]
    clips = [{"name": name, "path": copy} for name, copy in dict(adopted.values()).items()]
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
    models = work / FACE_MODELS
    if not models.is_dir():
        if request.dry_run:
            raise ValueError(
                f"--face all looks for faces first, but their models are not in {models}; run "
                f"d2a fetch {models.name} --folder {models.parent}, or leave --dry-run out"
            )
        plan = Plan("face-models", {}, {"models": FACE_MODELS}, {}, {})
        delivery.compute(request, [plan], work, Watcher())
    _, copy = delivery.adopt(request.photo, work, "photo")
    found = _count(work / copy, models, request.cores or os.cpu_count() or 1)
    return [replace(request, face=number) for number in range(1, max(1, found) + 1)]


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
