"""A machine that others use too: nothing runs what a config says, shows what is private, or calls home."""

import copy
import os
import re
import stat
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from tiny_project import ROOT, Project

from d2a_core.config import check
from d2a_core.media import images, video_writing
from d2a_core.store import arrays, tables, texts, weights

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text())
HOSTILE = [
    "; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '" && touch pwned "',
    "| touch pwned",
    "x\ntouch pwned",
    "x\x00",
    "x\n",
    "../../pwned",
    "/pwned",
    "--exec",
    "{input}",
    "",
]
# Files, folders and addresses of the user's own, which may be called anything.
FREE = {
    "generator.name",
    "generator.checkpoints.x.path",
    "landmarks.weights",
    "fan.weights",
    "sources.0.image",
    "driving.clips.0.path",
    "evaluation.identity.weights.path",
    "evaluation.inception.path",
    "evaluation.datasets.0.images",
    "evaluation.datasets.0.clips",
    "evaluation.external.x",
}
NASTY = "$(touch pwned) `touch pwned`; touch pwned '\" | touch pwned"  # no slash: it is the name of a file
SPY = """
import os, sys

def tell(event, words):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os.write(1, f"{words}".encode())  # also from a child, which inherits this

sys.addaudithook(tell)
from d2a_core.faces import arcface, mediapipe
from d2a_core.generator import engine, mobile_stylegan
from d2a_core.inversion import encoder_network
import openvino, time
time.sleep(2)  # what is sent is sent in the background
"""


def test_no_library_calls_home_when_it_is_imported():
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD")}
    done = subprocess.run(
        [sys.executable, "-c", SPY],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def strings(schema, path=()):
    """Place of every text that the schema allows, and the entries around it that make it valid."""
    kinds = schema.get("type", ())
    if "string" in ([kinds] if isinstance(kinds, str) else kinds):
        yield path
    for name, part in schema.get("properties", {}).items():
        yield from strings(part, (*path, name))
    for part in schema.get("patternProperties", {}).values():
        yield from strings(part, (*path, "x"))
    if "items" in schema:
        yield from strings(schema["items"], (*path, 0))
    for number, form in enumerate(schema.get("oneOf", ())):
        yield from strings(form, (*path, ("form", number)))


ENTRIES = {  # a valid one for each form of an entry
    ("generator", "checkpoints", "x"): [{"url": "https://a.org/x.pkl", "sha256": None}, {"path": "x.pkl"}],
    ("fan", "weights"): [{"url": "https://a.org/x.safetensors", "sha256": "0" * 64}, "auto"],
    ("sources", 0): [
        {"name": "me", "image": "me.jpg", "face": 0},
        {"name": "me", "seed": 1, "truncation": 0.7},
    ],
    ("driving", "performances", 0): [CONFIG["driving"]["performances"][0]],
    ("driving", "clips", 0): [{"name": "talk", "path": "talk.mp4"}],
    ("driving", "combinations", 0): [
        {"name": "mix", **dict.fromkeys(("pose", "expression", "lips", "eyes"), "performance")}
    ],
    ("morphs", 0): [
        {"name": "turn", "source": "me", "start": "me", "end": "me", "frames": 2, "fps": 25, "loop": False}
    ],
    ("evaluation", "identity", "weights"): [
        {"url": "https://a.org/x.onnx", "sha256": "0" * 64},
        {"path": "x.onnx"},
        None,
    ],
    ("evaluation", "inception"): [
        "torch-fidelity",
        {"url": "https://a.org/x.pth", "sha256": "0" * 64},
        {"path": "x.pth"},
        None,
    ],
    ("evaluation", "datasets", 0): [
        {"name": "photos", "images": "photos"},
        {"name": "clips", "clips": "clips"},
    ],
}


def with_text(path, text):
    """The config with one text in place, and that place."""
    config = copy.deepcopy(CONFIG)
    config["driving"]["clips"], config["driving"]["combinations"] = [None], [None]
    config["evaluation"]["datasets"], config["morphs"] = [None], [None]
    for entry, forms in ENTRIES.items():
        chosen = [step[1] for step in path if isinstance(step, tuple)]
        plain = tuple(step for step in path if not isinstance(step, tuple))
        form = chosen[0] if chosen and plain[: len(entry)] == entry else 0
        put(config, entry, copy.deepcopy(forms[form]))
    plain = tuple(step for step in path if not isinstance(step, tuple))
    put(config, plain, text)
    return config, ".".join(map(str, plain))


def put(config, path, value):
    for step in path[:-1]:
        config = config[step]
    config[path[-1]] = value


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_a_text_that_is_no_path_of_the_users_own_is_refused_in_one_sentence(text):
    allowed = set()
    for path in strings(SCHEMA):
        config, place = with_text(path, text)
        try:
            check(config, SCHEMA)
        except ValueError as error:
            assert "\n" not in str(error) and place in str(error)
        else:
            allowed.add(place)
    assert allowed <= FREE
    assert not allowed or text.isprintable() and "{" not in text


@pytest.mark.parametrize("name", ["x\n", "$(touch pwned)", "../x", ""])
@pytest.mark.parametrize("section", ["generator.checkpoints", "evaluation.external", "evaluation.ablations"])
def test_a_name_that_becomes_a_file_name_is_refused_in_one_sentence(section, name):
    config = copy.deepcopy(CONFIG)
    outer, inner = section.split(".")
    config[outer][inner] = {
        name: {"path": "x"} if inner == "checkpoints" else {} if inner == "ablations" else "x"
    }
    with pytest.raises(ValueError, match=section) as caught:
        check(config, SCHEMA)
    assert "\n" not in str(caught.value)


def test_nothing_is_run_by_a_shell():
    rules = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    code = [*(ROOT / "d2a_core").rglob("*.py"), *(ROOT / "workflow_scripts").glob("*.py"), *rules]
    words = {r"^\s*(shell|run):": rules, r"shell\s*=\s*True|os\.(system|popen)|\bshell\(|getoutput": code}
    for pattern, files in words.items():
        assert [file for file in files if re.search(pattern, file.read_text(), re.M)] == []


@pytest.fixture
def hostile_names(tmp_path, assets):
    """A project in a folder with a nasty name, whose config names only files and folders with such names."""
    folder = tmp_path / NASTY
    folder.mkdir()
    project = Project(folder, assets, "tiny.yaml", "hostile.yaml")
    for name in ("photos", "clips"):
        (folder / (NASTY + name)).mkdir()
    for number in range(3):
        (folder / f"{NASTY}photos" / f"{number}{NASTY}.png").touch()
    (folder / f"{NASTY}clips" / f"{NASTY}.mp4").touch()
    for suffix in (".jpg", ".mp4", ".pkl"):
        (folder / (NASTY + suffix)).touch()
    overlay = {
        "generator": {"name": "mobilestylegan-ffhq", "checkpoints": {"x": {"path": f"{NASTY}.pkl"}}},
        "sources": [{"name": "me", "image": f"{NASTY}.jpg", "face": 0}],
        "driving": {"performances": [], "clips": [{"name": "talk", "path": f"{NASTY}.mp4"}]},
        "evaluation": {
            "datasets": [
                {"name": "photos", "images": f"{NASTY}photos"},
                {"name": "clips", "clips": f"{NASTY}clips"},
            ],
            "external": {"x": f"{NASTY}photos"},
        },
    }
    (folder / "hostile.yaml").write_text(yaml.safe_dump(overlay))
    return project


def test_files_and_a_work_folder_with_nasty_names_are_planned_and_a_job_runs(hostile_names):
    assert "animate_pairs" in hostile_names.snakemake("--dry-run", "--quiet", "rules", targets=["evaluation"])
    hostile_names.snakemake(targets=["results/evaluation/pairs.parquet"])
    assert (hostile_names.folder / "results" / "evaluation" / "pairs.parquet").is_file()
    assert not [path for path in hostile_names.folder.parent.rglob("*") if path.name == "pwned"]


def write_all(folder):
    """An artefact of each kind, as stages write them."""
    image = np.zeros((64, 64, 3), np.uint8)
    arrays.write_zarr(folder / "a.zarr", {"w": np.zeros((4, 2), np.float32)}, attributes={})
    tables.write_parquet({"x": [1]}, folder / "a.parquet", metadata={})
    images.write_image(image, folder / "a.png")
    images.write_images([image], folder / "pictures")
    list(images.keep_images([("a", image)], folder / "kept"))
    weights.write_checkpoint({"x": torch.zeros(2)}, folder / "a.pt")
    weights.write_safetensors({"x": torch.zeros(2)}, folder / "a.safetensors", metadata={})
    texts.write_json({"x": 1}, folder / "a.json")
    texts.write_text("x", folder / "a.md")
    texts.cached_sha256(folder / "a.md", folder / "cache.json")
    weights.ResumeFile(folder / "state", {"x": 1}).write({"x": 1})
    video_writing.write_frames([image] * 2, folder / "a.mp4", rate=25, metadata={})


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o027, 0o077], ids=oct)
def test_every_kind_of_artefact_has_the_rights_that_the_umask_leaves(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_all(tmp_path / "results")
    finally:
        os.umask(before)
    paths = list((tmp_path / "results").rglob("*"))
    assert len(paths) > 20
    rights = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
    due = {path.name: (0o777 if path.is_dir() else 0o666) & ~umask for path in paths}
    assert {name: oct(right) for name, right in rights.items() if right != due[name]} == {}
