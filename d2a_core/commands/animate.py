"""Plan and run `d2a animate`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import d2a_core
from d2a_core.commands import checks, delivery
from d2a_core.commands.requests import Request, slug
from d2a_core.commands.runs import Outcome, Plan, Watcher


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
    source, copies = delivery.adopt_source(request, work)
    adopted = {path: delivery.adopt(path, work, "clip") for path in request.drivers.values()}
    copies |= {copy: str(path) for path, (_, copy) in adopted.items()}
    names = {path: name for path, (name, _) in adopted.items()}
    clip, combinations = next(iter(names.values())), []
    if request.combined:
        parts = {part: names[path] for part, path in request.parts.items()}
        clip = _combined_name(parts, names)
        combinations = [{"name": clip, **parts}]
    clips = [{"name": name, "path": copy} for name, copy in dict(adopted.values()).items()]
    driving = {"clips": clips, "combinations": combinations}
    overlay = {"sources": [source], "driving": driving, **request.settings}
    results = _results(request, f"results/animations/{source['name']}--{clip}")
    main = "paste-back" if request.paste_back else "video"
    places = {main: request.output, "side by side": request.side_by_side, "frames": request.frames}
    wanted = {what: path for what, path in places.items() if path is not None}
    return Plan(
        f"{source['name']}--{clip}--{delivery.digest([overlay, results])}", overlay, results, copies, wanted
    )


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
