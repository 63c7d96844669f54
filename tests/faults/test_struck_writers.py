"""A worker of each kind of writer is killed at each moment of its work: the next run makes the same bytes."""

import shutil
from collections import Counter
from dataclasses import dataclass

import pytest
from faulty_project import FaultyProject, errors
from tiny_project import SMALL
from writers import writers

from d2a_core.store import atomic

pytestmark = pytest.mark.slow
ME = "results/sources/me"  # on a photo
VIDEO = "results/animations/anna--performance"
TABLE = "results/evaluation/table"
FACES = "results/evaluation/faces/held-out"
FAN = "results/fan/all/latent"


@dataclass(frozen=True)
class Strike:
    """A rule to strike, the moment, the writer that is at work then, and all outputs of the rule."""

    rule: str
    moment: str
    writer: str
    outputs: tuple[str, ...]


STRIKES = [  # what is computed last comes first: its inputs are then as old as they were
    Strike("show_pairs", "last", "write_image", ("results/evaluation/pairs.png",)),
    Strike("summarize_evaluation", "between", "write_text", (f"{TABLE}.parquet", f"{TABLE}.md")),
    Strike("align_source", "between", "write_text", (f"{ME}/aligned.png", f"{ME}/alignment.json")),
    Strike("extract_frames", "inside", "write_images", (f"{VIDEO}--frames",)),
    Strike("animate", "between", "VideoWriter", (f"{VIDEO}.mp4", f"{VIDEO}.latents.zarr")),
    Strike("draw_gallery", "named", "write_image", ("results/directions/gallery.png",)),
    Strike(
        *("train_fan", "resumable", "write_checkpoint"),
        (f"{FAN}.pt", f"{FAN}.history.parquet", f"{FAN}.loss.png"),
    ),
    Strike("hold_out_faces", "inside", "keep_images", (FACES, f"{FACES}.parquet", f"{FACES}.zarr")),
    Strike("perform_driver", "half", "VideoWriter", ("results/driving/performance.mp4",)),
    Strike("augment_latents", "half", "write_zarr", ("results/pairs/all/00000.zarr",)),
    Strike("detect_landmarks", "half", "write_parquet", ("results/landmarks/00000.parquet",)),
    Strike("sample_latents", "inside", "write_zarr", ("results/latents/00000.zarr",)),
    Strike("convert_generator", "half", "write_safetensors", ("results/generator/*.safetensors",)),
]


def test_every_writer_is_struck_and_at_every_moment():
    assert {strike.writer for strike in STRIKES} == writers()
    moments = {strike.moment for strike in STRIKES}
    assert moments == {"inside", "half", "named", "between", "resumable", "last"}


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    """A copy of the finished project, with a photo and the frames of its video."""
    project = FaultyProject.copy(finished, tmp_path_factory.mktemp("struck") / "project")
    shutil.copy(project.path(FACES) / "s00000.png", project.path("me.png"))
    project.path("me.yaml").write_text("sources: [{name: me, image: me.png, face: 0}]\n")
    project.complete(targets=[f"{VIDEO}--frames"])
    project.configs = (*SMALL, "me.yaml")
    project.complete(targets=[f"{ME}/aligned.png"])
    return project


@pytest.mark.parametrize("strike", STRIKES, ids=lambda strike: f"{strike.rule}-{strike.moment}")
def test_a_struck_worker_is_told_and_the_next_run_makes_the_same_bytes(project, strike):
    project.configs = (*SMALL, "me.yaml") if strike.rule == "align_source" else SMALL
    found = [path for name in strike.outputs for path in project.folder.glob(name)]
    names = [str(path.relative_to(project.folder)) for path in found]
    assert len(names) == len(strike.outputs)
    before, seen = {name: project.digest(name) for name in names}, project.runs()
    for name in names:
        atomic.remove(project.path(name))
    project.strike(**{strike.rule: strike.moment})
    code, said = project.snakemake(targets=names)
    assert code == 1 and "SIGKILL" in said and f"Error in rule {strike.rule}:" in said and not errors(said)
    assert project.struck() == {strike.rule: strike.moment}
    project.complete(targets=names)
    assert project.runs(seen) == Counter({strike.rule: 2})
    assert {name: project.digest(name) for name in names} == before
    assert atomic.leftovers(project.path("results")) == []
