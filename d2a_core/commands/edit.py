"""The commands `d2a edit` and `d2a frontalize`: a face with its controls moved, as a picture."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import d2a_core
from d2a_core import runtime
from d2a_core.commands import checks, delivery
from d2a_core.commands.editor import Edit, Editor, load_editor
from d2a_core.commands.requests import Request, option, slug
from d2a_core.config import configuration
from d2a_core.faces import alignment, stitching
from d2a_core.media import images, photos, sheets
from d2a_core.store import provenance, texts


@dataclass(frozen=True)
class Wanted:
    """Wish for a picture: the controls at `values`, or None for a face that looks into the camera.

    `output` gets the picture, `before_after` the source beside it.
    """

    values: Mapping[str, float] | None
    output: Path
    before_after: Path | None = None


@dataclass(frozen=True)
class Made:
    """A finished picture: the `edit`, and measures of it in full size.

    `likeness` to the source (dlib, cosine) and `turn` (yaw and pitch in degrees) hold first the code as it
    was, or the source, then the result.
    """

    edit: Edit
    likeness: tuple[float, float]
    turn: tuple[tuple[float, float], tuple[float, float]]
    units: Mapping[str, str]

    def lines(self) -> list[str]:
        """A table of the controls, what was noted, and the likeness, for people."""
        rows = [f"{'control':<18}{'asked':>9}{'reached':>9}"]
        for name, asked in self.edit.asked.items():
            rows.append(f"{name:<18}{asked:>9.1f}{self.edit.reached[name]:>9.1f} {self.units[name]}")
        (yaw, pitch), (yaw_after, pitch_after) = self.turn
        code, result = self.likeness
        rows += [
            f"yaw {yaw:+.1f}° → {yaw_after:+.1f}°, pitch {pitch:+.1f}° → {pitch_after:+.1f}° at full size",
            f"likeness to the source: {result:.3f} (before: {code:.3f})",
        ]
        return [*rows, *self.edit.notes]


def default_output(source: str, what: str) -> Path:
    """`<source>--<what>.png` in the current folder."""
    return Path(f"{slug(Path(source).stem, 'photo')}--{what}.png")


def make(request: Request, wanted: Wanted) -> Made:
    """Compute what is missing of the source and of FAN, and write the picture.

    Raises ValueError, in one sentence, for a user's mistake.
    """
    for name in ("output", "before_after"):
        if getattr(wanted, name) is not None:
            checks.check_picture_name(option(name), getattr(wanted, name), [request.source])
    check_values(wanted.values or {})
    source = delivery.prepare(request)
    runtime.limit_threads(request.cores or os.cpu_count() or 1, least=2)
    work = request.work.resolve()
    settings = configuration(d2a_core.ROOT, request.configfiles)
    editor = load_editor(work, source, settings=settings, threads=request.cores or 0)
    edit = editor.straighten() if wanted.values is None else editor.settle(wanted.values)
    picture = editor.render(edit.wplus, yaw_deg=edit.reached.get("yaw", 0.0))
    before = editor.render(editor.wplus, yaw_deg=0.0)
    panels = [editor.photo, before, picture]
    _write(editor, edit, panels, wanted, work / "results" / "sources" / source, request)
    return Made(
        edit,
        (editor.likeness(before), editor.likeness(picture)),
        (editor.turn(editor.photo), editor.turn(picture)),
        {control.name: control.unit for control in editor.controls},
    )


def check_values(values: Mapping[str, float]) -> None:
    """Raise ValueError for a value that is no number."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{option(name)} is {value}; give a finite number")


def _write(
    editor: Editor,
    edit: Edit,
    panels: Sequence[NDArray[np.uint8]],
    wanted: Wanted,
    source: Path,
    request: Request,
) -> None:
    """The result, last of the full-size `panels`, and all of them side by side where that is wanted."""
    picture = panels[-1]
    facts = provenance.provenance(asked=edit.asked, reached=edit.reached, **editor.animator.facts)
    facts = {"title": "Synthetic face", **facts}
    final = _pasted(editor, picture, source, request) if request.paste_back else picture
    images.write_image(final, wanted.output, text=facts)
    if wanted.before_after is not None:
        captions = ["source", "at rest", caption(edit.asked)]
        both = sheets.side_by_side(panels, height=len(picture) // 2, captions=captions)
        images.write_image(both, wanted.before_after, text=facts)


def caption(asked: Mapping[str, float]) -> str:
    """The controls that were moved, for a picture."""
    return ", ".join(f"{name} {value:+.3g}" for name, value in asked.items() if value) or "unchanged"


def _pasted(editor: Editor, picture: NDArray[np.uint8], source: Path, request: Request) -> NDArray[np.uint8]:
    """The uncropped photo with the face in its place."""
    photo = photos.read_photo(delivery.copied_photo(source.name, request.work.resolve())).image
    crop = alignment.crop_from_facts(texts.read_json(source / "alignment.json"))
    seen = editor.animator.detector.detect(np.stack((editor.photo, picture)))
    face = stitching.Animated([picture], crop, seen.points[:1], seen.points[1:])
    return next(stitching.paste_back(editor.surroundings, photo, [face]))


def shown(made: Made, paths: Sequence[Path | None]) -> list[str]:
    """Lines that a command says at its end."""
    return [*made.lines(), *(str(path) for path in paths if path is not None)]
