"""Deliver what a command asks for: requests as a config and targets of the workflow.

A request becomes an overlay of the config with one source and one clip, several become one with all of
theirs, and Snakemake computes what is not there yet. Names carry a digest of the file's content: two
different `me.jpg` never share a cache, and the same picture finds its own from another folder or under
another name.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

import d2a_core
from d2a_core import config
from d2a_core.commands import checks
from d2a_core.commands.morph_requests import MorphRequest
from d2a_core.commands.requests import Request, seed_of, slug
from d2a_core.commands.runs import Outcome, Plan, Watcher, carry_out
from d2a_core.fan import origins
from d2a_core.media import recognition
from d2a_core.store import atomic, texts
from d2a_core.workflow.execution import Workflow, exclusive, unlock

STATE = Path("results/.state/animate")  # in the work directory: overlays, logs and the lock
SOURCES = Path("results/.state/sources")  # in the work directory: what was asked for each source
INPUTS = Path("data/inputs")  # in the work directory: copies of photos and clips
TRUNCATION = 0.7  # ψ of a source given by its seed, as in config.yaml
DIGEST_CHARS = 12
LONG_AGO_S = 946684800.0  # 2000-01-01, the time of every copy in INPUTS
SCALED = ("latents_shards", "pairs_shards")  # of `evaluation.scaling`


def deliver(
    request: Request | MorphRequest, plan_of: Callable[..., Plan], watcher: Watcher | None
) -> dict[str, Path]:
    """Compute what the plan of a request asks for, and copy each result to where the user wants it.

    It lies there as soon as it is made: who waits for a video does not wait for what is measured on it.
    """
    (outcome,), log = deliver_all([request], plan_of, watcher)
    return outcome.paths | {"log": log}


def deliver_all(
    requests: Sequence[Request | MorphRequest], plan_of: Callable[..., Plan], watcher: Watcher | None
) -> tuple[list[Outcome], Path]:
    """Do so for several requests in one run, with the settings of the first; returns the log as well.

    Of several, one that fails does not keep the others from being made.
    """
    first, work = requests[0], requests[0].work.resolve()
    with exclusive(work, work / STATE / "lock"):
        plans = [plan_of(request, work) for request in requests]
        log, outcomes = compute(first, plans, work, watcher or Watcher())
    return outcomes, log


def prepare(request: Request, *, watcher: Watcher | None = None) -> str:
    """Compute the source of a request and FAN, without a driver; returns the source's name."""
    checks.check_source(request, d2a_core.ROOT)
    work = request.work.resolve()
    with exclusive(work, work / STATE / "lock"):
        source, copies = adopt_source(request, work)
        name = source["name"]
        results = {"code": f"results/sources/{name}/inversion.zarr", **_movers(request, work)}
        plan = Plan(f"{name}--source", {"sources": [source], **request.settings}, results, copies, {})
        compute(request, [plan], work, watcher or Watcher())
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
        compute(request, [plan], work, watcher or Watcher())
    return name, work / path


def compute(
    request: Request | MorphRequest, plans: Sequence[Plan], work: Path, watcher: Watcher
) -> tuple[Path, list[Outcome]]:
    """Run what plans ask for; returns the log and the end of each."""
    overlay, log = (work / STATE / f"{_name(plans)}.{kind}" for kind in ("yaml", "log"))
    text = yaml.safe_dump(_overlay(plans) | _no_ablations(request), sort_keys=False)
    _write_if_changed(text, overlay)
    extra = [request.configfile.absolute()] if request.configfile else []
    workflow = Workflow(d2a_core.ROOT, work, (*extra, overlay), str(request.cores or "all"))
    unlock(workflow)
    return log, carry_out(workflow, plans, log, dry=request.dry_run, watcher=watcher)


def _name(plans: Sequence[Plan]) -> str:
    """Name of the run of some plans."""
    names = [plan.name for plan in plans]
    return names[0] if len(names) == 1 else f"{len(names)}-jobs--{digest(names)}"


def _overlay(plans: Sequence[Plan]) -> dict[str, Any]:
    """Overlay with all sources and clips of plans with the same settings, each once."""
    overlays = [plan.overlay for plan in plans]
    if len(overlays) == 1:
        return overlays[0]
    sources = _once(entry for overlay in overlays for entry in overlay["sources"])
    driving = {
        part: _once(entry for overlay in overlays for entry in overlay["driving"][part])
        for part in overlays[0]["driving"]
    }
    return overlays[0] | {"sources": sources, "driving": driving}


def _once(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Entries of a list in the config, those of one name once."""
    return [dict(entry) for entry in {entry["name"]: entry for entry in entries}.values()]


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


def copied_photo(name: str, work: Path) -> Path:
    """The copy of the photo that an adopted source is made of; the user's own may have changed since."""
    known = recalled(name, work)
    if known is None:
        raise ValueError(f"the copy of the photo of {name} in {work / INPUTS} is gone; run the command again")
    return Path(known["source"])


def _variant(name: str, request: Request) -> str:
    """Name of a source with what its inversion depends on: trying another one keeps the first."""
    face = f"face-{request.face}" if _face(request) else None
    tune = {None: None, True: "tuned", False: "untuned"}[request.tune]
    return "-".join(part for part in (name, face, request.method, tune) if part)


def _face(request: Request) -> int:
    """Number of a face as the config has it; 0 and 1 both mean the largest."""
    return request.face if request.face and request.face > 1 else 0


def adopt(path: Path, work: Path, fallback: str) -> tuple[str, str]:
    """Copy a user's file, or numbered pictures in a folder, into the work directory.

    Returns its name and the path of the copy there. Snakemake reruns what depends on a file that was touched
    and misses one that was moved. The copy is found by its content and has always the same time, so neither
    costs anything. Raises ValueError for a file that is still being written.
    """
    pictures = recognition.numbered(path) if path.is_dir() else []
    contents = [texts.sha256(picture) for picture in pictures or [path]]
    key = digest(contents) if pictures else contents[0][:DIGEST_CHARS]
    known = sorted((work / INPUTS).glob(f"*-{key}.*"))
    if not known:
        known = [work / INPUTS / f"{slug(path.stem, fallback)}-{key}{_suffix(path)}"]
        with atomic.atomic_path(known[0], manifest=False) as part:
            _copy_input(path, pictures, part)
            copied = sorted(part.iterdir()) if pictures else [part]
            if [texts.sha256(each) for each in copied] != contents:  # the name would promise another content
                raise ValueError(f"{path} changed while it was copied; wait until it is whole, and run again")
            os.utime(part, (LONG_AGO_S, LONG_AGO_S))
    return known[0].stem, str(INPUTS / known[0].name)


def _copy_input(path: Path, pictures: Sequence[Path], part: Path) -> None:
    """Copy a file, or pictures into a folder."""
    if not pictures:
        shutil.copyfile(path, part)
        return
    part.mkdir()
    for number, picture in enumerate(pictures):
        shutil.copyfile(picture, part / f"{number:06d}{picture.suffix.lower()}")


def _suffix(path: Path) -> str:
    """The end of a copy's name: the workflow knows tables by it."""
    suffix = re.sub(r"[^a-z0-9.]", "", path.suffix.lower())
    kind = recognition.kind_of_file(path).name
    if path.is_dir():
        return ".frames"
    if kind == "table" or suffix in ("", ".parquet"):
        return {"table": ".parquet", "picture": ".png"}.get(kind or "", ".mp4")
    return suffix


def _write_if_changed(text: str, path: Path) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        texts.write_text(text, path, manifest=False)
