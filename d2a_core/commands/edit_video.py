"""The command `d2a edit` on a video: its own frames, with the controls moved, and its sound."""

import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow
import torch
from numpy.typing import NDArray

import d2a_core
from d2a_core import runtime
from d2a_core.animation import cast, footage_goals, occlusion, omissions, retakes
from d2a_core.animation.cast import Cast
from d2a_core.animation.footage_goals import Take
from d2a_core.commands import checks, delivery
from d2a_core.commands.edit import caption, check_values
from d2a_core.commands.editor import load_editor
from d2a_core.commands.requests import Request
from d2a_core.config import configuration
from d2a_core.faces import controls
from d2a_core.faces.schemes import scheme_of
from d2a_core.generator import rendering
from d2a_core.media import video_reading, video_writing
from d2a_core.store import arrays, provenance, tables


def make(request: Request, values: Mapping[str, float], output: Path) -> list[str]:
    """Write the clip that `request.driving` names with the controls at `values`; returns lines for the user.

    Raises ValueError, in one sentence, for a user's mistake.
    """
    checks.check_video_name("--output", output, [request.source])
    check_values(values)
    name, clip = delivery.prepare_footage(request)
    runtime.limit_threads(request.cores or os.cpu_count() or 1, least=2)
    work = request.work.resolve()
    settings = configuration(d2a_core.ROOT, request.configfiles)
    editor = load_editor(work, f"{name}-first-frame", settings=settings, threads=request.cores or 0)
    wanted, notes = editor.clamped(values)
    found = arrays.read_zarr(work / f"results/footage/{name}.zarr", ["wplus", "hidden"])
    codes = torch.from_numpy(found["wplus"])
    people = cast.read(work / f"results/footage/{name}.cast.zarr")
    table = tables.read_parquet(work / f"results/driving/{name}.parquet")
    log = runtime.start_log(None)
    take = asked(table, people, found["hidden"], wanted)
    if not take.share.any():
        raise ValueError(
            f"{request.source} cannot be edited: the code of no frame shows its face; choose a clip that "
            "shows it well"
        )
    steps = settings["animations"]["refinements"]
    delta = retakes.edited(
        editor.animator, codes, take, most_poses=settings["animations"]["poses"], steps=steps, log=log
    )
    facts = provenance.provenance(asked=wanted, **editor.animator.facts)
    video_writing.write_frames(
        retakes.retaken(
            editor.animator,
            video_reading.read_frames(clip),
            codes,
            rendering.apply(codes, delta),
            take,
            details=True,
        ),
        output,
        rate=video_reading.probe(clip).rate,
        audio=clip,
        metadata=video_writing.provenance(facts),
        progress=runtime.Progress(log, "footage", len(take.time_s), unit="frames"),
    )
    return [f"moved: {caption(wanted)}", *notes, *omissions.told(take), str(output)]


def asked(footage: pyarrow.Table, people: Cast, hidden: NDArray, values: Mapping[str, float]) -> Take:
    """Ask all faces of a clip, from the table of its landmarks, for the controls at `values`.

    What is `hidden` [N, S, S] of them is left, and a face of which too much is.
    """
    shown = footage.take(people.rows)
    points = tables.points_array(shown)
    goal = controls.asked(points, tables.angles_array(shown), values)
    kept = occlusion.covered(hidden, points, scheme_of(points.shape[1])) <= occlusion.COVERED
    return footage_goals.of_rows(footage, people, points, goal, kept=kept, hidden=hidden)
