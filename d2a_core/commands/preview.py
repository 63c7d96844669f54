"""The command `d2a animate --preview`: a small video first, in about half a minute.

Photo and clip go through the workflow, where the true animation finds them again. What moves the face is
loaded in the meantime, and leads it in this process.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import d2a_core
from d2a_core import config, runtime
from d2a_core.commands import animate, checks, delivery
from d2a_core.commands.requests import Request, option
from d2a_core.commands.runs import Outcome, Plan, Watcher
from d2a_core.fan import origins

if TYPE_CHECKING:
    from d2a_core.commands.previewer import Previewer

BESIDE = ("paste_back", "side_by_side", "frames")  # options of the true animation alone
LOOK_EVERY_S = 0.1


def preview(request: Request, *, watcher: Watcher | None = None) -> dict[str, Path]:
    """Make the preview that `request` asks for; returns the paths to show, by what they are.

    Raises ValueError, in one sentence, for a user's mistake.
    """
    checks.check(request, d2a_core.ROOT)
    for name in BESIDE:
        if getattr(request, name):
            raise ValueError(f"{option(name)} is of the true video; leave it out, or --preview")
    if request.all_faces:
        raise ValueError("--preview shows one face, but --face is all; give the number of a face")
    work, whole = request.work.resolve(), _settings(request)
    if request.dry_run:
        return delivery.deliver(request, make_plan, watcher)
    done, in_vain = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as beside:
        loaded = beside.submit(_loaded, work, whole, request.cores or 0, done, in_vain)
        try:
            paths = delivery.deliver(request, make_plan, watcher)
        except BaseException:
            in_vain.set()
            raise
        finally:
            done.set()
        previewer = loaded.result()
    runtime.limit_threads(request.cores or os.cpu_count() or 1, least=2)  # of this thread
    output = request.output or paths["aligned"].with_name("preview.mp4")
    clip = paths.get("drawn", next(iter(request.drivers.values())))
    previewer.behind(previewer.subject(paths["aligned"].parent), paths["driver"], clip, output)
    return {"preview": output, "log": paths["log"]}


def preview_all(requests: Sequence[Request]) -> list[Outcome]:
    """Make several previews one after the other; what fails costs no other."""
    outcomes = []
    for request in requests:
        try:
            outcomes.append(Outcome(preview(request)))
        except ValueError as error:
            outcomes.append(Outcome({}, str(error)))
    return outcomes


def _settings(request: Request) -> dict[str, Any]:
    """The whole configuration of a request."""
    return config.merged(config.configuration(d2a_core.ROOT, request.configfiles), request.settings)


def make_plan(request: Request, work: Path) -> Plan:
    """Say what the workflow is to compute for a preview: photo and clip as landmarks, and FAN."""
    plan = animate.make_plan(request, work)
    source, driving = plan.overlay["sources"][0], plan.overlay["driving"]
    clip = (driving["combinations"] or driving["clips"])[0]
    table = f"results/driving/{clip['name']}.parquet"
    drawn = "path" not in clip or clip["path"].endswith(".parquet")  # by the workflow: it has no frames
    folder = f"results/sources/{source['name']}"
    results = {
        "aligned": f"{folder}/aligned.png",
        "driver": table,
        **({"drawn": table.removesuffix(".parquet") + ".mp4"} if drawn else {}),
        **({} if request.seed is None else {"code": f"{folder}/inversion.zarr"}),
        **movers(_settings(request), work),
    }
    return Plan(f"{plan.name}--preview", plan.overlay, results, plan.copies, {})


def movers(whole: Mapping[str, Any], work: Path) -> dict[str, str]:
    """Paths in the work directory of what leads a face, by what they are."""
    origin = origins.find(whole, d2a_core.ROOT, work)
    encoder = {"encoder": f"{origin.folder}/inversion/encoder.pt"} if origin.bundle else {}
    models = {name: f"data/assets/{name}" for name in ("mediapipe-face", "dlib-face")}
    return {"fan": f"{origin.folder}/fan/all/base.pt", **encoder, **models}


def _loaded(
    work: Path, whole: Mapping[str, Any], threads: int, done: threading.Event, in_vain: threading.Event
) -> "Previewer":
    """Load what leads a face as soon as it is there, and anew where the run that is `done` then made it.

    A run that has failed was `in_vain`, and what was loaded is not looked at.
    """
    from d2a_core.commands.previewer import Previewer  # with PyTorch, while Snakemake starts

    runtime.limit_threads(threads or os.cpu_count() or 1, least=2)
    files = [work / path for path in movers(whole, work).values()]
    while None in states(files) and not done.wait(LOOK_EVERY_S):
        pass
    if in_vain.is_set():
        raise ValueError("the workflow has failed")
    found, previewer = states(files), Previewer(work, whole, threads=threads)
    done.wait()
    return previewer if states(files) == found else Previewer(work, whole, threads=threads)


def states(files: Sequence[Path]) -> list[tuple[int, int] | None]:
    """State of each file, another one where it was made anew; None where there is none.

    Not its time: Snakemake sets that of what a job has made.
    """
    return [(path.stat().st_ino, path.stat().st_size) if path.exists() else None for path in files]
