"""Reruns after edits of the core: a rule depends on the modules that its script reaches, and on no other."""

import shutil
from pathlib import Path

import pytest

from d2a_core.workflow import digest

ROOT = Path(__file__).parents[2]
VIDEOS = (
    "animate animate_footage combine_driving compare_footage compare_motion import_driving morph paste_back "
    "perform_driver"
)
SHEETS = (
    "combine_driving compare_footage compare_motion draw_gallery evaluate_first_pairs import_driving "
    "invert_cast invert_footage invert_source measure_controls morph show_pairs track_driving"
)
PHOTOS = "align_source gather_faces take_frames"
FILES = (  # of users, photos and clips
    "align_source animate animate_footage combine_driving compare_footage compare_motion extract_frames "
    "gather_faces import_driving invert_cast invert_footage measure_animation measure_footage "
    "measure_realism morph paste_back perform_driver score_frames show_pairs take_first_frame take_frames "
    "track_driving"
)
CURVES = (
    "finetune_fan finetune_fan_in_image_space train_encoder train_fan train_fan_in_image_space train_hfgi"
)
EDITS = {  # of what: module, old and new text, rules that it reruns
    "a sentence about photos": ("media/photos.py", "it is wholly transparent", "nothing of it shows", ""),
    "how a HEIC photo is known": ("media/recognition.py", 'b"heic", ', "", FILES),
    "how often a face is counted": ("faces/photo_alignment.py", "count = 1", "count = 2", PHOTOS),
    "the mp4 writer": ("media/video_writing.py", '"veryfast"', '"medium"', VIDEOS),
    "the sound of a video": ("media/soundtrack.py", "160_000", "128_000", VIDEOS),
    "the caption of a sheet": ("media/sheets.py", "SMALLEST_TEXT = 12", "SMALLEST_TEXT = 14", SHEETS),
    "a line chart": ("media/charts.py", "figsize=(8, 4.5)", "figsize=(9, 4.5)", CURVES),
    "the formula of a score": (
        "evaluation/scores.py",
        "np.abs(",
        "np.square(",
        "evaluate_first_pairs score_frames",
    ),
    "the name of a figure": (
        "evaluation/figures.py",
        '"NME box"',
        '"NME of the box"',
        "collect_videos evaluate_first_pairs summarize_ablations summarize_evaluation write_report",
    ),
    "what a wrong method returns": (
        "evaluation/baselines.py",
        "SIDE = 256",
        "SIDE = 128",
        "evaluate_first_pairs make_baselines",
    ),
    "how controls are measured": (
        "animation/purity.py",
        "(1.0, 0.5, 0.5, 1.0)",
        "(1.0, 0.2, 0.2, 1.0)",
        "measure_controls",
    ),
    "the loss that photos are inverted by": (
        "inversion/image_losses.py",
        "OCTAVES = 4",
        "OCTAVES = 3",
        "invert_cast invert_footage invert_source train_hfgi",
    ),
    "the reader of untrusted pickles": (
        "generator/unpickling/machine.py",
        "MAX_DEPTH = 200",
        "MAX_DEPTH = 100",
        "convert_generator",
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of core and scripts, and the digests of its scripts."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("d2a_core", "workflow_scripts"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root, digests(root)


def digests(root):
    return {path.stem: digest.code_digest(path) for path in (root / "workflow_scripts").glob("*.py")}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_reruns_the_rules_that_reach_it(copy, edit):
    root, before = copy
    file, old, new, rules = EDITS[edit]
    path = root / "d2a_core" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    after = digests(root)
    path.write_text(text, encoding="utf-8")
    assert sorted(rule for rule in after if after[rule] != before[rule]) == rules.split()
