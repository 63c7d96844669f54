"""The commands `d2a animate` and `d2a morph`: one request as a config and targets of the workflow.

A request becomes an overlay of the config with one source and one clip, and Snakemake computes what is not
there yet. Names carry a digest of the file's content: two different `me.jpg` never share a cache, and the
same picture finds its own from another folder or under another name.
"""

import hashlib
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from d2a_core import morph_request
from d2a_core.morph_request import MorphRequest, is_table
from d2a_core.request import Request, check, check_footage, check_source, seed_of, slug
from d2a_core.store import arrays, texts
from d2a_core.workflow.execution import Workflow, exclusive, run, unlock
from d2a_core.workflow.progress import Board, Run

ROOT = Path(__file__).parents[1]  # of the project: Snakefile, config.yaml, schemas, profiles
STATE = Path("results/.state/animate")  # in the work directory: overlays, logs and the lock
INPUTS = Path("data/inputs")  # in the work directory: copies of photos and clips
TRUNCATION = 0.7  # ψ of a source given by its seed, as in config.yaml
DIGEST_CHARS = 12
LONG_AGO_S = 946684800.0  # 2000-01-01, the time of every copy in INPUTS
RESUMES = "Stopped; the same command goes on where it stopped"


@dataclass(frozen=True)
class Plan:
    """What to run: an `overlay` of the config, called `name`, and the `results` in the work directory.

    `copies` tells for the path of a copy which file of the user's it is, for messages. `wanted` says which
    result the user wants to have where.
    """

    name: str
    overlay: dict[str, Any]
    results: dict[str, str]
    copies: dict[str, str]
    wanted: dict[str, Path]


@dataclass(frozen=True)
class Watcher:
    """Who looks on while a request is computed.

    Progress goes to `stream` (None: stderr) as lines, and to `follow` several times a second as a whole.
    Setting `cancelled` ends the run as Ctrl-C would, with KeyboardInterrupt.
    """

    stream: TextIO | None = None
    follow: Callable[[Run], None] | None = None
    cancelled: threading.Event | None = None


def animate(request: Request, *, watcher: Watcher | None = None) -> dict[str, Path]:
    """Compute what `request` asks for; returns the paths to show, by what they are.

    Raises ValueError, in one sentence, for a user's mistake, found before anything expensive or logged by
    the stage that failed.
    """
    check(request, ROOT)
    return _deliver(request, make_plan, watcher)


def morph(request: MorphRequest, *, watcher: Watcher | None = None) -> dict[str, Path]:
    """Compute the morph that `request` asks for, as `animate` does."""
    morph_request.check(request, ROOT)
    return _deliver(request, make_morph_plan, watcher)


def _deliver(
    request: Request | MorphRequest, plan_of: Callable[..., Plan], watcher: Watcher | None
) -> dict[str, Path]:
    """Compute what the plan of a request asks for and copy it to where the user wants it."""
    work = request.work.resolve()
    with exclusive(work, work / STATE / "lock"):
        plan = plan_of(request, work)
        log = _compute(request, plan, work, watcher or Watcher())
        copied = {} if request.dry_run else _copy_results(plan, work)
    return copied | {"log": log}


def prepare(request: Request, *, watcher: Watcher | None = None) -> str:
    """Compute the source of a request and the controls, without a driver; returns the source's name."""
    check_source(request, ROOT)
    work = request.work.resolve()
    with exclusive(work, work / STATE / "lock"):
        source, copies = adopt_source(request, work)
        name = source["name"]
        results = {
            "code": f"results/sources/{name}/inversion.zarr",
            "controls": "results/controls/controls.zarr",
        }
        plan = Plan(f"{name}--source", {"sources": [source], **request.settings}, results, copies, {})
        _compute(request, plan, work, watcher or Watcher())
    return name


def prepare_footage(request: Request, *, watcher: Watcher | None = None) -> tuple[str, Path]:
    """Compute the codes of the clip that drives a request, and the controls.

    Returns the clip's name and the copy of it in the work directory.
    """
    check_footage(request, ROOT)
    work = request.work.resolve()
    with exclusive(work, work / STATE / "lock"):
        name, path = adopt(request.driving, work, "clip")
        results = {"codes": f"results/footage/{name}.zarr", "controls": "results/controls/controls.zarr"}
        overlay = {"driving": {"clips": [{"name": name, "path": path}]}, **request.settings}
        plan = Plan(f"{name}--footage", overlay, results, {path: str(request.driving)}, {})
        _compute(request, plan, work, watcher or Watcher())
    return name, work / path


def _compute(request: Request | MorphRequest, plan: Plan, work: Path, watcher: Watcher) -> Path:
    """Run what a plan asks for; returns the log."""
    overlay, log = (work / STATE / f"{plan.name}.{kind}" for kind in ("yaml", "log"))
    _write_if_changed(yaml.safe_dump(plan.overlay, sort_keys=False), overlay)
    extra = [request.configfile.absolute()] if request.configfile else []
    workflow = Workflow(ROOT, work, (*extra, overlay), str(request.cores or "all"))
    unlock(workflow)
    _run(workflow, plan, log, dry=request.dry_run, watcher=watcher)
    return log


def make_plan(request: Request, work: Path) -> Plan:
    """Name the source and the clip of a request, copy them into `work` and say what to compute."""
    source, copies = adopt_source(request, work)
    clips = {}
    for path in request.drivers.values():
        clip, driving = adopt(path, work, "clip")
        copies[driving], clips[clip] = str(path), driving
    clip, combinations = "-and-".join(clips), []
    if len(request.drivers) > 1:
        parts = dict(zip(("pose", "expression"), (*clips, *clips), strict=False))  # both may be one clip
        combinations = [{"name": clip, **parts}]
    driving = {
        "clips": [{"name": name, "path": path} for name, path in clips.items()],
        "combinations": combinations,
    }
    overlay = {"sources": [source], "driving": driving, **request.settings}
    results = _results(request, f"results/animations/{source['name']}--{clip}")
    main = "paste-back" if request.paste_back else "video"
    wanted = {main: request.output, "side by side": request.side_by_side, "frames": request.frames}
    wanted = {what: path for what, path in wanted.items() if path is not None}
    return Plan(f"{source['name']}--{clip}--{_digest([overlay, results])}", overlay, results, copies, wanted)


def _digest(facts: object) -> str:
    return hashlib.sha256(yaml.safe_dump(facts).encode()).hexdigest()[:DIGEST_CHARS]


def make_morph_plan(request: MorphRequest, work: Path) -> Plan:
    """Name the source and the poses of a request, copy them into `work` and say what to compute."""
    tune = {None: None, True: "tuned", False: "untuned"}[request.tune]
    variant = "".join(f"-{part}" for part in (request.method, tune) if part)
    copies: dict[str, str] = {}
    faces = {
        text: _pose(text, work, copies, variant if text == request.face else "")
        for text in (request.face, request.start, request.end)
    }
    source, start, end = (faces[text]["name"] for text in (request.face, request.start, request.end))
    entry = {"source": source, "start": start, "end": end}
    entry |= {"frames": request.frames, "fps": request.fps, "loop": request.loop}
    name = f"{end}-{_digest(entry)}"
    entries = {face["name"]: face for face in faces.values()}.values()
    overlay = {
        "sources": [face for face in entries if "path" not in face],
        "driving": {"clips": [face for face in entries if "path" in face]},
        "morphs": [{"name": name, **entry}],
        **request.settings,
    }
    stem = f"results/morphs/{source}--{name}"
    kinds = {"video": ".mp4", "contact sheet": ".sheet.png", "figures": ".figures.parquet"}
    results = {what: stem + kind for what, kind in kinds.items()}
    return Plan(f"{source}--{name}--{_digest(overlay)}", overlay, results, copies, {"video": request.output})


def _pose(text: str, work: Path, copies: dict[str, str], variant: str) -> dict[str, Any]:
    """Config entry of a face that a morph needs, a source or a clip that is a table; notes its copy."""
    seed = seed_of(text)
    if seed is not None:
        return {"name": f"seed-{seed}", "seed": seed, "truncation": TRUNCATION}
    name, path = adopt(Path(text), work, "face")
    copies[path] = text
    return (
        {"name": name, "path": path} if is_table(text) else {"name": name + variant, "image": path, "face": 0}
    )


def adopt_source(request: Request, work: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Entry of the source in the config, and which file of the user's the copy of a photo is."""
    if request.seed is not None:
        return {"name": f"seed-{request.seed}", "seed": request.seed, "truncation": TRUNCATION}, {}
    name, image = adopt(request.photo, work, "photo")
    entry = {"name": _variant(name, request), "image": image, "face": _face(request)}
    return entry, {image: str(request.photo)}


def _variant(name: str, request: Request) -> str:
    """Name of a source with what its inversion depends on: trying another one keeps the first."""
    face = f"face-{request.face}" if _face(request) else None
    tune = {None: None, True: "tuned", False: "untuned"}[request.tune]
    return "-".join(part for part in (name, face, request.method, tune) if part)


def _face(request: Request) -> int:
    """Number of a face as the config has it; 0 and 1 both mean the largest."""
    return request.face if (request.face or 0) > 1 else 0


def adopt(path: Path, work: Path, fallback: str) -> tuple[str, str]:
    """Copy a user's file into the work directory; returns its name and the path of the copy there.

    Snakemake reruns what depends on a file that was touched and misses one that was moved. The copy is
    found by its content and has always the same time, so neither costs anything.
    """
    digest = texts.sha256(path)[:DIGEST_CHARS]
    known = sorted((work / INPUTS).glob(f"*-{digest}.*"))
    if not known:
        suffix = re.sub(r"[^a-z0-9.]", "", path.suffix.lower())
        known = [work / INPUTS / f"{slug(path.stem, fallback)}-{digest}{suffix}"]
        with arrays.atomic_path(known[0], manifest=False) as part:
            shutil.copyfile(path, part)
            os.utime(part, (LONG_AGO_S, LONG_AGO_S))
    return known[0].stem, str(INPUTS / known[0].name)


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


def _run(workflow: Workflow, plan: Plan, log: Path, *, dry: bool, watcher: Watcher) -> None:
    """Run the workflow under a board; raises ValueError with the sentence of what failed."""
    progress, stream = Run(workflow.work, names=plan.copies), watcher.stream or sys.stderr
    board = Board(progress, stream)
    words = [*plan.results.values(), *(["--dry-run"] if dry else [])]

    def watch(lines: list[str]) -> None:
        progress.read(lines) if dry else board.watch(lines)
        if watcher.follow is not None:
            watcher.follow(progress)

    try:
        code = run(workflow, *words, log=log, watch=watch, cancelled=watcher.cancelled)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(RESUMES) from None
    finally:
        board.close()
    if code:
        stream.write(f"Log: {log}\n")
        raise ValueError(_reason(progress, log))
    if not progress.stages:
        stream.write("Every stage was done before\n")
    for stage in progress.stages.values() if dry else ():
        stream.write(f"would run {stage.name.replace('_', ' ')} ({stage.total})\n")


def _reason(progress: Run, log: Path) -> str:
    """Why a run failed, in one sentence."""
    sentence = progress.sentence()
    if sentence is None and progress.mistake:
        stage = progress.mistake.replace("_", " ")
        sentence = f"the stage '{stage}' ended without a word, perhaps for want of memory; look at {log}"
    if sentence is None:
        said = log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^(config: .+)$", said, re.M)
        sentence = found[1] if found else f"the workflow did not start; look at {log}"
    return sentence


def _copy_results(plan: Plan, work: Path) -> dict[str, Path]:
    """Copy results to where the user wants them, whole or not at all; returns the paths of all results."""
    paths = {what: work / result for what, result in plan.results.items()}
    for what, target in plan.wanted.items():
        with arrays.atomic_path(target, manifest=False) as part:
            _copy(paths[what], part)
        paths[what] = target
    return paths


def _copy(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, target, ignore=shutil.ignore_patterns(".*"))  # Snakemake's time stamp
    else:
        shutil.copyfile(path, target)


def _write_if_changed(text: str, path: Path) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        texts.write_text(text, path, manifest=False)
