"""Faces of the studio: those in a work directory, and pictures of them, moved by controls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import d2a_core
from d2a_core.commands import delivery
from d2a_core.commands.delivery import TRUNCATION
from d2a_core.commands.editor import Edit, Editor, load_editor
from d2a_core.directions import gallery
from d2a_core.fan import origins
from d2a_core.generator import rendering
from d2a_core.store import arrays, provenance, tables

KEPT = 2  # faces whose networks stay in memory
STRONGEST = 1.5  # times the outermost step of the gallery


@dataclass(frozen=True)
class Face:
    """A face of the work directory: its `name` there, and the options of `d2a` that ask for it."""

    name: str
    options: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Name for people."""
        source = self.options["source"]
        return f"{self.name} (made up)" if source.startswith("seed:") else self.name


@dataclass(frozen=True)
class Look:
    """A picture to make: the face `name` with the controls at `values`, moved along a `direction`, if any.

    `strength` 1 is the gallery's outermost step. `size` is `draft`, or `full`: that of the photo, after all
    gradient steps, as `d2a edit` makes it.
    """

    name: str
    values: Mapping[str, float] = field(default_factory=dict)
    direction: int | None = None
    strength: float = 0.0
    size: str = "draft"


@dataclass(frozen=True)
class Picture:
    """A picture `image` u1 [H, W, 3] of a look, sentences on it, and whether it is `done`.

    The sentences say what was clamped, and what was reached.
    """

    image: NDArray[np.uint8]
    notes: tuple[str, ...]
    done: bool


class Faces:
    """The faces in the folder `work`; not to be used from two threads at once."""

    def __init__(self, work: Path, settings: Mapping[str, Any], *, threads: int) -> None:
        self.work, self.settings, self.threads = work, settings, threads
        self._editors: dict[str, Editor] = {}
        self._settled: tuple[str, Mapping[str, float], Edit] | None = None  # the last one

    def known(self) -> list[Face]:
        """Faces whose codes are there, those of the config first."""
        listed = {entry["name"]: self._listed(entry) for entry in self.settings["sources"]}
        folders = sorted((self.work / "results" / "sources").glob("*/inversion.zarr"))
        found = {store.parent.name: delivery.recalled(store.parent.name, self.work) for store in folders}
        chosen = {name: listed.get(name) or found[name] for name in [*listed, *found] if name in found}
        return [Face(name, options) for name, options in chosen.items() if options is not None]

    def _listed(self, entry: Mapping[str, Any]) -> dict[str, Any] | None:
        """Options of `d2a` that ask for a source of the config; None where none do."""
        if "image" in entry:
            return {"source": str(self.work / entry["image"]), "face": entry["face"] or None}
        return {"source": f"seed:{entry['seed']}"} if entry["truncation"] == TRUNCATION else None

    def named(self, name: str) -> Face:
        """The face of a name; raises ValueError where there is none."""
        for face in self.known():
            if face.name == name:
                return face
        raise ValueError(f"there is no face called {name!r} here; choose another one")

    def editor(self, name: str) -> Editor:
        """Editor of a face; the last `KEPT` stay loaded."""
        if name not in self._editors:
            self.named(name)
            while len(self._editors) >= KEPT:
                del self._editors[next(iter(self._editors))]
            self._editors[name] = load_editor(self.work, name, settings=self.settings, threads=self.threads)
        self._editors[name] = self._editors.pop(name)  # the last one used is dropped last
        return self._editors[name]

    def forget(self, name: str) -> None:
        """Load a face anew when it is asked for: its code has been computed again."""
        self._editors.pop(name, None)
        self._settled = None

    def picture(self, look: Look) -> Picture:
        """The picture of a look; each draft of the same one is nearer to what is asked."""
        editor = self.editor(look.name)
        values, notes = editor.clamped(look.values)
        if look.size == "draft":
            done = editor.advance(values)
            image = editor.sketch(torch.from_numpy(self.code(look)))
            return Picture(image, tuple(notes), done)
        edit = self.settled(look.name, values)
        image = editor.render(torch.from_numpy(self.code(look)), yaw_deg=edit.reached["yaw"])
        return Picture(image, (*notes, *edit.notes, _reached(editor, edit)), done=True)

    def code(self, look: Look) -> NDArray[np.float32]:
        """W+ [1, K, 512] of a look; that of a draft as far as it has come."""
        editor = self.editor(look.name)
        values, _ = editor.clamped(look.values)
        code = self.settled(look.name, values).wplus if look.size == "full" else editor.latents(values)
        if look.direction is None:
            return code.numpy()
        vector = self._directions["vector"]
        if not 0 <= look.direction < len(vector):
            raise ValueError(f"there is no direction {look.direction}; there are {len(vector)}, from 0")
        if not abs(look.strength) <= STRONGEST:
            raise ValueError(f"a strength of {look.strength:g} is too much; stay within ±{STRONGEST:g}")
        step = torch.from_numpy(look.strength * gallery.REACH * vector[look.direction])
        return rendering.apply(code, step[None]).numpy()

    def settled(self, name: str, values: Mapping[str, float]) -> Edit:
        """Face with the controls at `values`, after all steps."""
        if self._settled is None or self._settled[:2] != (name, values):
            self._settled = name, dict(values), self.editor(name).settle(values)
        return self._settled[2]

    def frontal(self, name: str) -> tuple[dict[str, float], list[str]]:
        """The sliders at which a face looks into the camera, and sentences on those that end before."""
        editor = self.editor(name)
        return editor.clamped(editor.frontal())

    def facts(self, look: Look) -> dict[str, Any]:
        """Facts that a saved picture of a look carries."""
        editor = self.editor(look.name)
        asked = editor.clamped(look.values)[0]
        moved = {"direction": look.direction, "strength": look.strength} if look.direction is not None else {}
        settled = look.size == "full" and look.direction is None
        reached = self.settled(look.name, asked).reached if settled else None
        facts = provenance.provenance(asked=asked, reached=reached, **moved, **editor.animator.facts)
        return {"title": "Synthetic face", **facts}

    @cached_property
    def distilled(self) -> Path:
        """Folder of directions and FAN."""
        return origins.distilled(self.settings, d2a_core.ROOT, self.work)

    @cached_property
    def _directions(self) -> dict[str, NDArray]:
        names = ("vector", "effect", "deviation")
        return arrays.read_zarr(self.distilled / "directions" / "directions.zarr", names)

    def directions(self) -> list[dict[str, Any]]:
        """All directions, in the order of the gallery: number and caption."""
        rows = tables.read_parquet(self.distilled / "directions" / "catalogue.parquet").to_pylist()
        effect, deviation = (self._directions[name] for name in ("effect", "deviation"))
        order = gallery.choose(effect, deviation, rows=len(rows))
        return [{"direction": index, "caption": gallery.caption(rows[index], deviation)} for index in order]


def _reached(editor: Editor, edit: Edit) -> str:
    """The controls that were asked for, and how far each came, as a sentence."""
    units = {control.name: f"{control.label.lower()} {{:.0f}} {control.unit}" for control in editor.controls}
    told = [units[name].format(edit.reached[name]) for name, asked in edit.asked.items() if asked]
    return f"Reached: {', '.join(told) or 'the face as it was'}."
