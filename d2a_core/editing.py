"""One face in memory, moved by its controls: what `d2a edit`, `d2a frontalize` and the studio share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d2a_core import (
    config,
    controls,
    directions,
    generator,
    hfgi,
    io,
    landmarks,
    lineage,
    origins,
    rendering,
    tuning,
)
from d2a_core.controls import Control, Controls, Studio
from d2a_core.identity import Embedder, cosine_similarity
from d2a_core.lineage import Identity

ROUNDS = 4  # of measuring and correcting
GAIN = 0.8  # share of what is missing that a correction adds: controls do not quite add up
QUIET = 0.15  # of a unit that a control may be off without being corrected, degrees count as a tenth
STRAIGHT = 3.0  # degrees of yaw and pitch that a frontal face may be off


@dataclass(frozen=True)
class Edit:
    """A moved face: its code `wplus` [1, K, D], what controls were `asked` and `reached`, `notes` to tell."""

    wplus: Tensor
    asked: dict[str, float]
    reached: dict[str, float]
    notes: tuple[str, ...]


class Editor:
    """A face that its controls move. `size` is the side of previews in px; see `load`."""

    def __init__(
        self,
        studio: Studio,
        moves: Controls,
        wplus: Tensor,
        consultant: hfgi.Consultant,
        photo: NDArray[np.uint8],
        folder: Path,
    ) -> None:
        """`wplus` [1, K, D] is the code of the aligned `photo` u1 [R, R, 3], `folder` that of model files."""
        self.studio, self.moves, self.wplus = studio, moves, wplus
        self.photo, self._consultant, self._folder = photo, consultant, folder

    @property
    def generator(self) -> generator.PretrainedGenerator:
        """The generator, tuned to the face where that was asked for."""
        return self.studio.generator

    @property
    def identity(self) -> Identity:
        """Which generator it is."""
        return self.generator.identity

    @property
    def size(self) -> int:
        """Side of previews in px."""
        return self.studio.size

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls with their ranges."""
        return self.moves.all

    def clamped(self, values: Mapping[str, float]) -> tuple[dict[str, float], list[str]]:
        """Values within the ranges, and a sentence on each that was not; ValueError for an unknown name."""
        return self.moves.clamped(values)

    def latents(self, values: Mapping[str, float]) -> NDArray[np.float32]:
        """W+ [1, K, D] of the face with the controls at `values`, without looking at the result."""
        return self._moved(values).numpy()

    def _moved(self, values: Mapping[str, float]) -> Tensor:
        return rendering.apply(self.wplus, self.moves.delta(values, self.wplus))

    def preview(self, values: Mapping[str, float]) -> NDArray[np.uint8]:
        """A draft u1 [size, size, 3]."""
        return rendering.render(self.generator, self._moved(values), self.size)[0]

    def picture(self, values: Mapping[str, float]) -> NDArray[np.uint8]:
        """The face at full size, u1 [R, R, 3]."""
        return self.render(self._moved(values), yaw_deg=values.get("yaw", 0.0))

    def render(self, wplus: Tensor, *, yaw_deg: float) -> NDArray[np.uint8]:
        """Full-size picture u1 [R, R, 3] of a code [1, K, D] that is turned by `yaw_deg` from the photo."""
        return rendering.render(self.generator, wplus, **self._consultant(wplus, yaw_deg))[0]

    @cached_property
    def rest(self) -> NDArray[np.float64]:
        """Attributes [A] of the face as it is, on a draft; raises ValueError where no face is seen."""
        found = self._look(torch.zeros(1, *self.moves.measured.vector.shape[1:]))
        if np.isnan(found).all():
            raise ValueError("no face is seen on the source; choose another photo")
        return found

    def _look(self, delta: Tensor) -> NDArray[np.float64]:
        return self.studio.attributes(self.wplus, delta)[0]

    def _in_units(self, change: NDArray) -> dict[str, float]:
        """A change [A] of the attributes in the units of the controls."""
        measured = self.moves.measured
        found = {}
        for control in self.controls:
            kind = measured.kinds[self.moves.number(control.name)]
            column = directions.ATTRIBUTES.index(kind.attribute)
            unit = 1.0 if control.unit == controls.DEGREES else float(measured.deviation[column])
            found[control.name] = kind.sign * float(change[column]) / unit
        return found

    def settle(self, values: Mapping[str, float]) -> Edit:
        """The face with the controls at `values` and the others at rest, measured and corrected.

        A control's scale is that of a typical face. Here the draft is looked at, and what is missing is
        added, some rounds; the best look is kept.
        """
        wanted, notes = self.clamped(values)
        asked = {control.name: wanted.get(control.name, 0.0) for control in self.controls}
        return self._approach(asked, notes)

    def straighten(self) -> Edit:
        """The face looking into the camera, its expression kept: yaw and pitch at 0, all else at rest."""
        rest = dict(zip(directions.ATTRIBUTES, self.rest, strict=True))
        asked = {control.name: 0.0 for control in self.controls}
        asked |= {name: -float(rest[name]) for name in ("yaw", "pitch") if name in asked}
        edit = self._approach(asked, [])
        off = {name: abs(edit.reached[name] - asked[name]) for name in ("yaw", "pitch") if name in asked}
        far = [f"{name} by {value:.1f}°" for name, value in off.items() if value > STRAIGHT]
        sentence = f"the face could not be brought to the front: it is off in {' and '.join(far)}"
        return replace(edit, notes=(*edit.notes, sentence)) if far else edit

    def _approach(self, asked: Mapping[str, float], notes: list[str]) -> Edit:
        delta = torch.zeros(1, *self.moves.measured.vector.shape[1:])
        rest, step, best, least = self.rest, dict(asked), None, np.inf
        for _ in range(ROUNDS + 1):
            kept, _ = self.clamped(step)
            delta = self.studio.ball.renorm(delta + self.moves.delta(kept, self.wplus), self.wplus)
            seen = self._look(delta)
            if np.isnan(seen).all():
                break
            reached = self._in_units(seen - rest)
            missing = {name: asked[name] - reached[name] for name in asked}
            error = sum((value * self._weight(name)) ** 2 for name, value in missing.items())
            moved = rendering.apply(self.wplus, delta)
            if error < least:
                best, least = Edit(moved, dict(asked), reached, tuple(notes)), error
            step = {
                name: GAIN * value
                for name, value in missing.items()
                if abs(value) * self._weight(name) > QUIET
            }
            if not step:
                break
        if best is None:
            raise ValueError("no face is seen on the result; ask for less")
        return best

    def _weight(self, name: str) -> float:
        unit = next(control.unit for control in self.controls if control.name == name)
        return 0.1 if unit == controls.DEGREES else 1.0

    def likeness(self, picture: NDArray[np.uint8]) -> float:
        """Cosine similarity of dlib's embeddings of a full-size picture u1 [R, R, 3] and the photo."""
        both = np.stack((self.photo, picture))
        seen = self.studio.detector.detect(both)
        if not seen.found.all():
            return float("nan")
        one, other = Embedder(self._folder / "dlib-face").embed(both, seen.points)
        return float(cosine_similarity(one[None], other[None])[0])


def load(work: Path, name: str, *, settings: Mapping[str, Any] | None = None, threads: int = 0) -> Editor:
    """The editor of the source `name` in a work directory where its code and the controls are done.

    `settings` is the whole configuration (None: the project's config.yaml), `threads` 0 means all cores.
    """
    whole = settings or config.read(Path(__file__).parents[1] / "config.yaml")
    results, models = work / "results", work / "data" / "assets"
    source = results / "sources" / name
    network = _generator(work, whole, threads)
    store = io.read_zarr(results / "controls" / "controls.zarr")
    lineage.check(network.identity, results / "controls" / "controls.zarr", source / "inversion.zarr")
    if (source / "tuning.pt").exists():
        tuning.apply_delta(network, io.read_checkpoint(source / "tuning.pt")["delta"])
    looks = landmarks.Options(**whole["landmarks"])
    detector = landmarks.load_detector(looks, models / "mediapipe-face", device="cpu", threads=threads)
    moves = controls.from_store(store)
    wplus = io.read_zarr(source / "inversion.zarr", ["wplus"])["wplus"]
    photo, limit = io.read_image(source / "aligned.png"), whole["hfgi"]["yaw_limit_deg"]
    consultant = hfgi.consultant(network, _consultation(results, source), photo, wplus, yaw_limit_deg=limit)
    studio = Studio(network, detector, moves.ball, whole["generator"]["draft_size"])
    return Editor(studio, moves, torch.from_numpy(wplus), consultant, photo, models)


def _generator(work: Path, whole: Mapping[str, Any], threads: int) -> generator.PretrainedGenerator:
    section = dict(whole["generator"])
    choice = origins.Options(**{key: section.pop(key) for key in ("name", "checkpoints", "runtime")})
    origin = origins.find(choice, cache=work / "results" / ".state" / "sha256.json")
    return generator.load(
        generator.Options(**section),
        work / origin.model,
        draft=work / "results" / "generator" / "draft.zarr",
        device="cpu",
        threads=threads,
        runtime=choice.runtime,
    )


def _consultation(results: Path, source: Path) -> list[str]:
    """HFGI's networks where the source was inverted with them."""
    figures = source / "inversion.parquet"
    used = figures.exists() and io.read_parquet(figures)["method"][0].as_py() == "hfgi"
    return [str(results / "inversion" / "hfgi.pt")] if used else []
