"""One face in memory, moved by its controls, for `d2a edit`, `d2a frontalize` and the studio."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import d2a_core
from d2a_core import config
from d2a_core.directions import sliders
from d2a_core.directions.controls import Looker
from d2a_core.directions.sliders import Control, Controls
from d2a_core.faces import detectors, geometry, landmarks
from d2a_core.faces.dlib_identity import DlibEmbedder
from d2a_core.faces.identity import cosine_similarity
from d2a_core.generator import generator, origins, rendering
from d2a_core.inversion import consultant, tuning
from d2a_core.media import images
from d2a_core.store import arrays, lineage, tables, weights
from d2a_core.store.lineage import Identity

ROUNDS = 5  # of measuring and correcting
WANTED = 2.0  # times what an error counts in a control that is asked for
DOUBTFUL = {"gaze_x": 0.3, "gaze_y": 0.3}  # the same where a draft shows hardly more than noise
COST = 4.0  # of a step as long in all layers as the ball allows
SHORT = {sliders.DEGREES: 3.0, sliders.DEVIATIONS: 0.5}  # of a unit that is worth a note
STRAIGHT = 3.0  # degrees of yaw and pitch that a frontal face may be off


@dataclass(frozen=True)
class Edit:
    """A moved face: its code `wplus` [1, K, D], controls `asked` and `reached`, `notes` to tell."""

    wplus: Tensor
    asked: dict[str, float]
    reached: dict[str, float]
    notes: tuple[str, ...]


class Editor:
    """A face that its controls move. `size` is the side of previews in px; see `load_editor`."""

    def __init__(
        self,
        looker: Looker,
        moves: Controls,
        wplus: Tensor,
        consultant: consultant.Consultant,
        photo: NDArray[np.uint8],
        folder: Path,
    ) -> None:
        """`wplus` [1, K, D] is the code of the aligned `photo` u1 [R, R, 3], `folder` that of model files."""
        self.looker, self.moves, self.wplus = looker, moves, wplus
        self.photo, self._consultant, self._folder = photo, consultant, folder

    @property
    def generator(self) -> generator.PretrainedGenerator:
        """The generator, tuned to the face where that was asked for."""
        return self._consultant.generator

    @property
    def identity(self) -> Identity:
        """Identity of the generator."""
        return self.generator.identity

    @property
    def size(self) -> int:
        """Side of previews in px."""
        return self.looker.size

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
        return rendering.render(self.generator, wplus, consultation=self._consultant(wplus, yaw_deg))[0]

    @cached_property
    def rest(self) -> NDArray[np.float64]:
        """Attributes [A] of the face as it is, on a draft; raises ValueError where no face is seen."""
        found = self._look(torch.zeros(1, *self.moves.measured.vector.shape[1:]))
        if np.isnan(found).all():
            raise ValueError("no face is seen on the source; choose another photo")
        return found

    def _look(self, delta: Tensor) -> NDArray[np.float64]:
        return self.looker.attributes(self.wplus, delta)[0]

    def settle(self, values: Mapping[str, float]) -> Edit:
        """The face with the controls at `values` and the others at rest, measured and corrected.

        A control's scale is that of a typical face. Here drafts are looked at and corrected, as far as that
        is worth the longer step (see `sliders.settle`).
        """
        wanted, notes = self.clamped(values)
        asked = {control.name: wanted.get(control.name, 0.0) for control in self.controls}
        edit = self._approach(asked, wanted, notes)
        short = [c for c in self.controls if abs(edit.reached[c.name] - asked[c.name]) > SHORT[c.unit]]
        return replace(edit, notes=(*edit.notes, *(_short_of(c, edit) for c in short if c.name in wanted)))

    def straighten(self) -> Edit:
        """The face looking into the camera, its expression kept: yaw and pitch at 0, all else at rest."""
        rest = dict(zip(geometry.ATTRIBUTES, self.rest, strict=True))
        asked = {control.name: 0.0 for control in self.controls}
        asked |= {name: -float(rest[name]) for name in ("yaw", "pitch") if name in asked}
        edit = self._approach(asked, ("yaw", "pitch"), [])
        off = {name: abs(edit.reached[name] - asked[name]) for name in ("yaw", "pitch") if name in asked}
        far = [f"{name} by {value:.1f}°" for name, value in off.items() if value > STRAIGHT]
        sentence = f"the face could not be brought to the front: it is off in {' and '.join(far)}"
        return replace(edit, notes=(*edit.notes, sentence)) if far else edit

    def _approach(self, asked: Mapping[str, float], wanted: Iterable[str], notes: list[str]) -> Edit:
        """The face with all controls at `asked`, of which those `wanted` count most."""
        goal = np.array([asked[control.name] for control in self.controls])
        counts = np.array([WANTED if name in wanted else 1.0 for name in asked])
        counts *= [DOUBTFUL.get(name, 1.0) for name in asked]
        problem = self.moves.problem(COST)
        rest = self.rest

        def missing(strength: NDArray) -> NDArray[np.float64]:
            change = self.moves.in_units(self._look(self.moves.sum(strength[0], self.wplus)) - rest)
            return (goal - change)[None]

        found = sliders.settle(
            replace(problem, weight=counts * problem.weight),
            self.moves.strengths(asked)[None],
            missing,
            rounds=ROUNDS,
            learn=True,
            weigh_cost=True,
        )
        if np.isnan(found.missing).any():
            raise ValueError("no face is seen on the result; ask for less")
        moved = rendering.apply(self.wplus, self.moves.sum(found.strength[0], self.wplus))
        reached = dict(zip(asked, map(float, goal - found.missing[0]), strict=True))
        return Edit(moved, dict(asked), reached, tuple(notes))

    def turn(self, picture: NDArray[np.uint8]) -> tuple[float, float]:
        """Yaw and pitch of the face on a full-size picture u1 [R, R, 3], degrees; NaN without a face."""
        seen = self.looker.detector.detect(picture[None])
        yaw, pitch = seen.angles[0, :2] if seen.found[0] else (np.nan, np.nan)
        return float(yaw), float(pitch)

    def likeness(self, picture: NDArray[np.uint8]) -> float:
        """Cosine similarity of dlib's embeddings of a full-size picture u1 [R, R, 3] and the photo."""
        both = np.stack((self.photo, picture))
        seen = self.looker.detector.detect(both)
        if not seen.found.all():
            return float("nan")
        one, other = DlibEmbedder(self._folder / "dlib-face").embed(both, seen.points)
        return float(cosine_similarity(one[None], other[None])[0])


def _short_of(control: Control, edit: Edit) -> str:
    asked, reached = edit.asked[control.name], edit.reached[control.name]
    return (
        f"{control.name} reaches {reached:.2g} of {asked:.2g} {control.unit} on this face; "
        "more would have changed who it is"
    )


def load_editor(
    work: Path, name: str, *, settings: Mapping[str, Any] | None = None, threads: int = 0
) -> Editor:
    """The editor of the source `name` in a work directory where its code and the controls are done.

    `settings` is the whole configuration (None: the project's config.yaml), `threads` 0 means all cores.
    """
    whole = settings or config.configuration(d2a_core.ROOT, [])
    results, models = work / "results", work / "data" / "assets"
    source = results / "sources" / name
    network = _generator(work, whole, threads)
    store = arrays.read_zarr(results / "controls" / "controls.zarr")
    lineage.check(network.identity, results / "controls" / "controls.zarr", source / "inversion.zarr")
    if (source / "tuning.pt").exists():
        tuning.apply_delta(network, weights.read_checkpoint(source / "tuning.pt")["delta"])
    looks = landmarks.Options(**whole["landmarks"])
    detector = detectors.load_detector(looks, models / "mediapipe-face", device="cpu", threads=threads)
    moves = sliders.from_store(store)
    wplus = arrays.read_zarr(source / "inversion.zarr", ["wplus"])["wplus"]
    photo, limit = images.read_image(source / "aligned.png"), whole["hfgi"]["yaw_limit_deg"]
    consulted = consultant.consultant(
        network, _consultation(results, source), photo, wplus, yaw_limit_deg=limit
    )
    looker = Looker(network, detector, moves.ball, whole["generator"]["draft_size"])
    return Editor(looker, moves, torch.from_numpy(wplus), consulted, photo, models)


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
    used = figures.exists() and tables.read_parquet(figures)["method"][0].as_py() == "hfgi"
    return [str(results / "inversion" / "hfgi.pt")] if used else []
