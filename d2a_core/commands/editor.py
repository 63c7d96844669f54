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
from d2a_core.commands import loading
from d2a_core.faces import controls, stitching
from d2a_core.faces.controls import Control
from d2a_core.faces.dlib_identity import DlibEmbedder
from d2a_core.faces.identity import cosine_similarity
from d2a_core.faces.landmarks import Detections
from d2a_core.faces.stitching import Stitcher
from d2a_core.fan import closed_loop, image_loss
from d2a_core.fan.closed_loop import Animator
from d2a_core.fan.refinement import Refinement
from d2a_core.generator import generator, rendering
from d2a_core.inversion import consultant, tuning
from d2a_core.media import images
from d2a_core.store import arrays, lineage, tables, weights

SHORT = {controls.DEGREES: 5.0, controls.PERCENT: 0.3}  # missed by so much, or such a share: worth a note
STRAIGHT = 3.0  # degrees of yaw and pitch that a frontal face may be off
GOING_ON = 2  # steps of a draft whose controls have not moved, for which a slider that moves waits; else one


@dataclass(frozen=True)
class Edit:
    """A moved face: its code `wplus` [1, K, D], controls `asked` and `reached`, `notes` to tell."""

    wplus: Tensor
    asked: dict[str, float]
    reached: dict[str, float]
    notes: tuple[str, ...]


@dataclass
class Live:
    """The face as the sliders have it: the controls `asked`, and gradient steps on the way to them."""

    asked: dict[str, float]
    refinement: Refinement
    start: Tensor


class Editor:
    """A face that its controls move; `animator` leads it, in so many gradient `steps`; see `load_editor`."""

    def __init__(
        self,
        animator: Animator,
        wplus: Tensor,
        consultant: consultant.Consultant,
        photo: NDArray[np.uint8],
        folder: Path,
        *,
        steps: int,
        surroundings: str,
    ) -> None:
        """`wplus` [1, K, D] is the code of the aligned `photo` u1 [R, R, 3], `folder` that of model files.

        `surroundings` says whose they are on its pictures: see `stitching.KINDS`.
        """
        self.animator, self.wplus, self.steps, self.surroundings = animator, wplus, steps, surroundings
        self.photo, self._consultant, self._folder = photo, consultant, folder
        self._live: Live | None = None

    @property
    def generator(self) -> generator.PretrainedGenerator:
        """The generator, tuned to the face where that was asked for."""
        return self._consultant.generator

    @property
    def size(self) -> int:
        """Side of drafts in px."""
        return self.animator.size

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls with their ranges."""
        return controls.of_scheme(self.animator.detector.scheme)

    def clamped(self, values: Mapping[str, float]) -> tuple[dict[str, float], list[str]]:
        """Values within the ranges, and a sentence on each that was not; ValueError for an unknown name."""
        return controls.clamped(values, self.animator.detector.scheme)

    def render(self, wplus: Tensor, *, yaw_deg: float) -> NDArray[np.uint8]:
        """Full-size picture u1 [R, R, 3] of a code [1, K, D] that is turned by `yaw_deg` from the photo."""
        picture = rendering.render(self.generator, wplus, consultation=self._consultant(wplus, yaw_deg))[0]
        return self._on_photo(picture)

    def sketch(self, wplus: Tensor) -> NDArray[np.uint8]:
        """The same as a draft u1 [size, size, 3]."""
        return self._on_photo(self.draft(wplus)[0])

    def _on_photo(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The face of a picture u1 [S, S, 3] on the photo, where that gives the surroundings."""
        if self.surroundings == "generator":
            return picture
        stitcher = self._small_stitcher if len(picture) == self.size else self._stitcher
        return next(stitcher.along([picture], self.animator.detector))

    @cached_property
    def _stitcher(self) -> Stitcher:
        return self._stitcher_of(self._consultant.picture())

    @cached_property
    def _small_stitcher(self) -> Stitcher:
        return self._stitcher_of(self.draft(self.wplus)[0])

    def _stitcher_of(self, still: NDArray[np.uint8]) -> Stitcher:
        detector = self.animator.detector
        return stitching.on_photo(self.photo, still, detector, kind=self.surroundings)

    @cached_property
    def _near(self) -> Animator:
        """The animator on drafts of this face, which look as its full-size pictures do."""
        return self.animator.around(self.wplus)

    @cached_property
    def rest(self) -> Detections:
        """The face as it is, on a draft; raises ValueError where none is seen."""
        seen = self._look(self.wplus)
        if not seen.found.all():
            raise ValueError("no face is seen on the source; choose another photo")
        return seen

    @cached_property
    def _face(self) -> image_loss.Faces:
        return self._near.followed.faces(self.wplus, self.rest.points)

    def _look(self, wplus: Tensor) -> Detections:
        return self.animator.detector.detect(self.draft(wplus))

    def draft(self, wplus: Tensor) -> NDArray[np.uint8]:
        """Drafts u1 [N, size, size, 3] of codes [N, K, D] of this face."""
        return rendering.render(self._near.generator, wplus, self.size)

    def advance(self, values: Mapping[str, float]) -> bool:
        """Take some gradient steps towards the controls at `values`; whether they were the last.

        What the steps before have added stays where a slider moves on.
        """
        live = self._towards(values)
        for _ in range(min(self._steps_left(live), GOING_ON if live.refinement.taken else 1)):
            live.refinement.step()
        return not self._steps_left(live)

    def latents(self, values: Mapping[str, float]) -> Tensor:
        """W+ [1, K, 512] on the way to the controls at `values`, as far as steps have come."""
        return self._code(self._towards(values))

    def _steps_left(self, live: Live) -> int:
        return self.steps - live.refinement.taken if any(live.asked.values()) else 0

    def _towards(self, values: Mapping[str, float]) -> Live:
        """Where the face is on the way to `values`: at its beginning, if the last was on another way."""
        asked = self._asked(values)
        if self._live is None or self._live.asked != asked:
            goal = controls.asked(self.rest.points, self.rest.angles, asked)
            start = closed_loop.lead(self.animator, self.wplus, self.rest.points, goal).delta
            added = 0.0 if self._live is None else self._live.refinement.delta - self._live.start
            loss = self._near.followed
            way = Refinement(loss, self.animator.ball, self._face, start + added, torch.from_numpy(goal))
            self._live = Live(asked, way, start)
        return self._live

    def _asked(self, values: Mapping[str, float]) -> dict[str, float]:
        return {control.name: values.get(control.name, 0.0) for control in self.controls}

    def _code(self, live: Live) -> Tensor:
        moved = any(live.asked.values())
        return rendering.apply(self.wplus, live.refinement.delta) if moved else self.wplus

    def settle(self, values: Mapping[str, float]) -> Edit:
        """The face with the controls at `values` and the others at rest, after all steps."""
        wanted, notes = self.clamped(values)
        edit = self._settled(wanted, notes)
        told = [c for c in self.controls if wanted.get(c.name) and _is_short(c, edit)]
        return replace(edit, notes=(*edit.notes, *(_short_of(control, edit) for control in told)))

    def frontal(self) -> dict[str, float]:
        """The controls at which the face looks into the camera, its expression kept."""
        yaw, pitch, _ = self.rest.angles[0]
        return {"yaw": -float(yaw), "pitch": -float(pitch)}

    def straighten(self) -> Edit:
        """The face looking into the camera, its expression kept."""
        edit = self._settled(self.frontal(), [])
        off = {name: abs(edit.reached[name] - edit.asked[name]) for name in ("yaw", "pitch")}
        far = [f"{name} by {value:.1f}°" for name, value in off.items() if value > STRAIGHT]
        sentence = f"the face could not be brought to the front: it is off in {' and '.join(far)}"
        return replace(edit, notes=(*edit.notes, sentence)) if far else edit

    def _settled(self, wanted: Mapping[str, float], notes: Iterable[str]) -> Edit:
        if self._live is not None and self._live.asked != self._asked(wanted):
            self._live = None  # what sliders did before has no part in it
        live = self._towards(wanted)
        for _ in range(self._steps_left(live)):
            live.refinement.step()
        code = self._code(live)
        seen = self._look(code)
        if not seen.found.all():
            raise ValueError("no face is seen on the result; ask for less")
        reached = {name: float(value[0]) for name, value in controls.came(self.rest, seen).items()}
        return Edit(code, live.asked, reached, tuple(notes))

    def turn(self, picture: NDArray[np.uint8]) -> tuple[float, float]:
        """Yaw and pitch of the face on a full-size picture u1 [R, R, 3], degrees; NaN without a face."""
        seen = self.animator.detector.detect(picture[None])
        yaw, pitch = seen.angles[0, :2] if seen.found[0] else (np.nan, np.nan)
        return float(yaw), float(pitch)

    def likeness(self, picture: NDArray[np.uint8]) -> float:
        """Cosine similarity of dlib's embeddings of a full-size picture u1 [R, R, 3] and the photo."""
        both = np.stack((self.photo, picture))
        seen = self.animator.detector.detect(both)
        if not seen.found.all():
            return float("nan")
        one, other = DlibEmbedder(self._folder / "dlib-face").embed(both, seen.points)
        return float(cosine_similarity(one[None], other[None])[0])


def _short_of(control: Control, edit: Edit) -> str:
    asked, reached = edit.asked[control.name], edit.reached[control.name]
    return (
        f"{control.name} reaches {reached:.0f} of {asked:.0f} {control.unit} on this face; "
        "more would have changed who it is, or takes more steps (controls.steps)"
    )


def _is_short(control: Control, edit: Edit) -> bool:
    missed = abs(edit.reached[control.name] - edit.asked[control.name])
    allowed = SHORT[control.unit] * (1 if control.unit == controls.DEGREES else abs(edit.asked[control.name]))
    return missed > allowed


def load_editor(
    work: Path, name: str, *, settings: Mapping[str, Any] | None = None, threads: int = 0
) -> Editor:
    """The editor of the source `name` in a work directory where its code and FAN are done.

    `settings` is the whole configuration (None: the project's config.yaml), `threads` 0 means all cores.
    """
    whole = settings or config.configuration(d2a_core.ROOT, [])
    results, models = work / "results", work / loading.MODELS
    source = results / "sources" / name
    animator = loading.load_animator(work, whole, threads=threads)
    network = animator.followed.generator
    if (source / "tuning.pt").exists():
        tuning.apply_delta(network, weights.read_checkpoint(source / "tuning.pt")["delta"])
    lineage.check(network.identity, source / "inversion.zarr")
    wplus = arrays.read_zarr(source / "inversion.zarr", ["wplus"])["wplus"]
    photo, limit = images.read_image(source / "aligned.png"), whole["hfgi"]["yaw_limit_deg"]
    consulted = consultant.consultant(
        network, _consultation(results, source), photo, wplus, yaw_limit_deg=limit
    )
    given = {"steps": whole["controls"]["steps"], "surroundings": whole["animations"]["surroundings"]}
    return Editor(animator, torch.from_numpy(wplus), consulted, photo, models, **given)


def _consultation(results: Path, source: Path) -> list[str]:
    """HFGI's networks where the source was inverted with them."""
    figures = source / "inversion.parquet"
    used = figures.exists() and tables.read_parquet(figures)["method"][0].as_py() == "hfgi"
    return [str(results / "inversion" / "hfgi.pt")] if used else []
