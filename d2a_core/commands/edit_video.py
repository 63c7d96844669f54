"""The command `d2a edit` on a video: its own frames, with the controls moved, and its sound."""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

import d2a_core
from d2a_core import runtime
from d2a_core.animation import animations, edits, footage
from d2a_core.commands import checks, delivery
from d2a_core.commands.edit import caption, check_values
from d2a_core.commands.editor import Editor, load_editor
from d2a_core.commands.requests import Request
from d2a_core.config import configuration
from d2a_core.faces import controls
from d2a_core.generator import detection, rendering
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
    codes = torch.from_numpy(arrays.read_zarr(work / f"results/footage/{name}.zarr", ["wplus"])["wplus"])
    driver = tables.read_parquet(work / f"results/driving/{name}.parquet")
    log = runtime.start_log(None)
    edited = moved(editor, codes, wanted, driver, settings["animations"], log=log)
    facts = provenance.provenance(asked=wanted, **editor.animator.facts)
    video_writing.write_frames(
        frames(editor, codes, edited, clip, tables.points_array(driver), tables.points_array(driver, "quad")),
        output,
        rate=video_reading.probe(clip).rate,
        audio=clip,
        metadata=video_writing.provenance(facts),
        progress=runtime.Progress(log, "footage", len(codes), unit="frames"),
    )
    return [f"moved: {caption(wanted)}", *notes, str(output)]


def moved(
    editor: Editor,
    codes: Tensor,
    values: Mapping[str, float],
    driver: pyarrow.Table,
    settings: Mapping,
    *,
    log: logging.Logger,
) -> Tensor:
    """The codes [T, K, D] of a clip with the controls at `values`; `driver` is the table of its landmarks.

    Gradient steps are those of the `settings`, config section `animations`.
    """
    points, shot = tables.points_array(driver), animations.shots(driver)
    goal = controls.asked(points, tables.angles_array(driver), values)
    delta = edits.along(
        editor.animator,
        codes,
        points,
        goal,
        most_poses=settings["poses"],
        steps=settings["refinements"],
        shot=shot,
        log=log,
    )
    return rendering.apply(codes, delta)


def frames(
    editor: Editor, codes: Tensor, edited: Tensor, clip: Path, points: NDArray, quads: NDArray
) -> Iterator[NDArray[np.uint8]]:
    """Frames u1 [H, W, 3] of a clip whose `codes` [T, K, D] become the `edited` ones.

    `points` [T, P, 2] and `quads` [T, 4, 2] are those of its driving table.
    """
    still = torch.zeros(len(codes), 1, codes.shape[2])
    network, detector = editor.generator, editor.animator.detector
    seen = detection.detect(network, detector, edited, still, size=editor.size).points
    yield from footage.retake(
        video_reading.read_frames(clip),
        footage.crops(quads, network.resolution),
        footage.renders(network, codes),
        footage.renders(network, edited),
        points,
        np.where(np.isnan(seen), points, seen),
    )
