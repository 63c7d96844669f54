"""Deliver what a command asks for: one request as a config and targets of the workflow.

A request becomes an overlay of the config with one source and one clip, and Snakemake computes what is not
there yet. Names carry a digest of the file's content: two different `me.jpg` never share a cache, and the
same picture finds its own from another folder or under another name.
"""

import hashlib
import json
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

import d2a_core
from d2a_core import config
from d2a_core.commands import checks
from d2a_core.commands.morph_requests import MorphRequest
from d2a_core.commands.requests import Request, seed_of, slug
from d2a_core.fan import origins
from d2a_core.store import atomic, texts
from d2a_core.workflow.execution import Event, Workflow, exclusive, run, unlock
from d2a_core.workflow.progress import Board, Run

STATE = Path("results/.state/animate")  # in the work directory: overlays, logs and the lock
SOURCES = Path("results/.state/sources")  # in the work directory: what was asked for each source
INPUTS = Path("data/inputs")  # in the work directory: copies of photos and clips
TRUNCATION = 0.7  # ψ of a source given by its seed, as in config.yaml
DIGEST_CHARS = 12
LONG_AGO_S = 946684800.0  # 2000-01-01, the time of every copy in INPUTS
SCALED = ("latents_shards", "pairs_shards")  # of `evaluation.scaling`
RESUMES = "Stopped; the same command goes on where it stopped"


@dataclass(frozen=True)
class Plan:
    """Plan of a run: an `overlay` of the config, called `name`, and the `results` in the work directory.

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
    """Observer of a run.

    Progress goes to `stream` (None: stderr) as lines, and to `follow` several times a second as a whole.
    Setting `cancelled` ends the run as Ctrl-C would, with KeyboardInterrupt.
    """

    stream: TextIO | None = None
    follow: Callable[[Run], None] | None = None
    cancelled: threading.Event | None = None


def deliver(
    request: Request | MorphRequest, plan_of: Callable[..., Plan], watcher: Watcher | None
) -> dict[str, Path]:
    """Compute what the plan of a request asks for, and copy each result to where the user wants it.

    It lies there as soon as it is made: who waits for a video does not wait for what is measured on it.
    """
    work = request.work.resolve()
    with exclusive(work, work / STATE / "lock"):
        plan = plan_of(request, work)
        log = _compute(request, plan, work, watcher or Watcher())
    found = {what: plan.wanted.get(what, work / result) for what, result in plan.results.items()}
    return ({} if request.dry_run else found) | {"log": log}


def prepare(request: Request, *, watcher: Watcher | None = None) -> str:
    """Compute the source of a request and FAN, without a driver; returns the source's name."""
    checks.check_source(request, d2a_core.ROOT)
    work = request.work.resolve()
    with exclusive(work, work / STATE / "lock"):
        source, copies = adopt_source(request, work)
        name = source["name"]
        results = {"code": f"results/sources/{name}/inversion.zarr", **_movers(request, work)}
        plan = Plan(f"{name}--source", {"sources": [source], **request.settings}, results, copies, {})
        _compute(request, plan, work, watcher or Watcher())
    return name


def _movers(request: Request, work: Path) -> dict[str, str]:
    """Paths in the work directory of what moves a face."""
    whole = config.merged(config.configuration(d2a_core.ROOT, request.configfiles), request.settings)
    folder = origins.distilled(whole, d2a_core.ROOT, work).relative_to(work)
    return {"fan": f"{folder}/fan/all/base.pt", "identity": "data/assets/dlib-face"}


def prepare_footage(request: Request, *, watcher: Watcher | None = None) -> tuple[str, Path]:
    """Compute the codes of the clip that drives a request, and FAN.

    Returns the clip's name and the copy of it in the work directory.
    """
    checks.check_footage(request, d2a_core.ROOT)
    work = request.work.resolve()
    with exclusive(work, work / STATE / "lock"):
        clip = request.drivers["driving"]
        name, path = adopt(clip, work, "clip")
        results = {"codes": f"results/footage/{name}.zarr", **_movers(request, work)}
        overlay = {"driving": {"clips": [{"name": name, "path": path}]}, **request.settings}
        plan = Plan(f"{name}--footage", overlay, results, {path: str(clip)}, {})
        _compute(request, plan, work, watcher or Watcher())
    return name, work / path


def _compute(request: Request | MorphRequest, plan: Plan, work: Path, watcher: Watcher) -> Path:
    """Run what a plan asks for; returns the log."""
    overlay, log = (work / STATE / f"{plan.name}.{kind}" for kind in ("yaml", "log"))
    _write_if_changed(yaml.safe_dump(plan.overlay | _no_ablations(request), sort_keys=False), overlay)
    extra = [request.configfile.absolute()] if request.configfile else []
    workflow = Workflow(d2a_core.ROOT, work, (*extra, overlay), str(request.cores or "all"))
    unlock(workflow)
    _run(workflow, plan, log, dry=request.dry_run, watcher=watcher)
    return log


def _no_ablations(request: Request | MorphRequest) -> dict[str, Any]:
    """Overlay without ablations: no command asks for one, and reading their rules takes a second or two."""
    files = [request.configfile] if request.configfile else []
    evaluation = config.configuration(d2a_core.ROOT, files)["evaluation"]
    none = {"ablations": dict.fromkeys(evaluation["ablations"]), "scaling": {name: [] for name in SCALED}}
    return {"evaluation": none}


def digest(facts: object) -> str:
    """Digest of plain values, the same for the same ones."""
    return hashlib.sha256(yaml.safe_dump(facts).encode()).hexdigest()[:DIGEST_CHARS]


def adopt_source(request: Request, work: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Entry of the source in the config, and the user's photo by the path of its copy.

    What was asked is kept in the work directory: see `recalled`.
    """
    if request.seed is not None:
        name = f"seed-{request.seed}"
        _remember(name, work, source=request.source)
        return {"name": name, "seed": request.seed, "truncation": TRUNCATION}, {}
    copy, image = adopt(request.photo, work, "photo")
    name, face = _variant(copy, request), _face(request)
    _remember(name, work, source=image, face=face or None, method=request.method, tune=request.tune)
    return {"name": name, "image": image, "face": face}, {image: str(request.photo)}


def _remember(name: str, work: Path, **asked: Any) -> None:
    _write_if_changed(json.dumps(asked, ensure_ascii=False) + "\n", work / SOURCES / f"{name}.json")


def recalled(name: str, work: Path) -> dict[str, Any] | None:
    """Fields of the request that a source was adopted for; None where there was none, or its copy is gone."""
    kept = work / SOURCES / f"{name}.json"
    if not kept.is_file():
        return None
    asked = texts.read_json(kept)
    if seed_of(asked["source"]) is not None:
        return asked
    copy = work / asked["source"]
    return asked | {"source": str(copy)} if copy.is_file() else None


def _variant(name: str, request: Request) -> str:
    """Name of a source with what its inversion depends on: trying another one keeps the first."""
    face = f"face-{request.face}" if _face(request) else None
    tune = {None: None, True: "tuned", False: "untuned"}[request.tune]
    return "-".join(part for part in (name, face, request.method, tune) if part)


def _face(request: Request) -> int:
    """Number of a face as the config has it; 0 and 1 both mean the largest."""
    return request.face if request.face and request.face > 1 else 0


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
        with atomic.atomic_path(known[0], manifest=False) as part:
            shutil.copyfile(path, part)
            os.utime(part, (LONG_AGO_S, LONG_AGO_S))
    return known[0].stem, str(INPUTS / known[0].name)


def _run(workflow: Workflow, plan: Plan, log: Path, *, dry: bool, watcher: Watcher) -> None:
    """Run the workflow under a board; raises ValueError with the sentence of what failed."""
    progress, stream = Run(workflow.work, names=plan.copies), watcher.stream or sys.stderr
    board = Board(progress, stream)
    words = [*plan.results.values(), *(["--dry-run"] if dry else [])]

    left = dict(plan.wanted)

    def watch(events: list[Event]) -> None:
        progress.read(events) if dry else board.watch(events)
        for what in [what for what in left if plan.results[what] in progress.made]:
            path = left.pop(what)
            _copy(workflow.work / plan.results[what], path)
            board.say(f"  {what}: {path}")
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
    for what, path in () if dry else left.items():
        _copy(workflow.work / plan.results[what], path)


def _reason(progress: Run, log: Path) -> str:
    """Reason of a failed run, in one sentence."""
    sentence = progress.sentence()
    if sentence is None and progress.mistake:
        stage = progress.mistake.replace("_", " ")
        sentence = f"the stage '{stage}' ended without a word, perhaps for want of memory; look at {log}"
    if sentence is None:
        found = re.search(r"^(config: .+)$", progress.complaint, re.M)
        sentence = found[1] if found else f"the workflow did not start; look at {log}"
    return sentence


def _copy(path: Path, target: Path) -> None:
    """Copy a file or a folder to where the user wants it, whole or not at all."""
    with atomic.atomic_path(target, manifest=False) as part:
        if path.is_dir():
            shutil.copytree(path, part, ignore=shutil.ignore_patterns(".*"))  # Snakemake's time stamp
        else:
            shutil.copyfile(path, part)


def _write_if_changed(text: str, path: Path) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        texts.write_text(text, path, manifest=False)
