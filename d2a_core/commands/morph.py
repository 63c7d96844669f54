"""Plan and run `d2a morph`."""

from pathlib import Path
from typing import Any

import d2a_core
from d2a_core.commands import checks, delivery
from d2a_core.commands.delivery import Plan, Watcher
from d2a_core.commands.morph_requests import MorphRequest, is_table
from d2a_core.commands.requests import seed_of


def morph(request: MorphRequest, *, watcher: Watcher | None = None) -> dict[str, Path]:
    """Compute the morph that `request` asks for, as `animate` does."""
    checks.check_morph(request, d2a_core.ROOT)
    return delivery.deliver(request, make_morph_plan, watcher)


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
    name = f"{end}-{delivery.digest(entry)}"
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
    return Plan(
        f"{source}--{name}--{delivery.digest(overlay)}", overlay, results, copies, {"video": request.output}
    )


def _pose(text: str, work: Path, copies: dict[str, str], variant: str) -> dict[str, Any]:
    """Config entry of a face that a morph needs, a source or a clip that is a table; notes its copy."""
    seed = seed_of(text)
    if seed is not None:
        return {"name": f"seed-{seed}", "seed": seed, "truncation": delivery.TRUNCATION}
    name, path = delivery.adopt(Path(text), work, "face")
    copies[path] = text
    return (
        {"name": name, "path": path} if is_table(text) else {"name": name + variant, "image": path, "face": 0}
    )
