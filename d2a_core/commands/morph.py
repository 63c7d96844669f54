"""Plan and run `d2a morph`."""

from pathlib import Path
from typing import Any

import d2a_core
from d2a_core.commands import checks, delivery
from d2a_core.commands.morph_requests import MorphRequest, is_table
from d2a_core.commands.requests import Request
from d2a_core.commands.runs import Plan, Watcher


def morph(request: MorphRequest, *, watcher: Watcher | None = None) -> dict[str, Path]:
    """Compute the morph that `request` asks for, as `animate` does."""
    checks.check_morph(request, d2a_core.ROOT)
    return delivery.deliver(request, make_morph_plan, watcher)


def make_morph_plan(request: MorphRequest, work: Path) -> Plan:
    """Name the source and the poses of a request, copy them into `work` and say what to compute."""
    copies: dict[str, str] = {}
    faces = {text: _pose(text, request, work, copies) for text in (request.face, request.start, request.end)}
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


def _pose(text: str, request: MorphRequest, work: Path, copies: dict[str, str]) -> dict[str, Any]:
    """Config entry of a face that a morph needs, a source or a clip that is a table; notes its copy."""
    if is_table(text):
        name, path = delivery.adopt(Path(text), work, "face")
        copies[path] = text
        return {"name": name, "path": path}
    method, tune = (request.method, request.tune) if text == request.face else (None, None)
    entry, copied = delivery.adopt_source(Request(source=text, work=work, method=method, tune=tune), work)
    copies |= copied
    return entry
