"""The checked config, lists that several stages use, helpers and wildcard constraints of all rules."""

import dataclasses
import re
from pathlib import Path

from snakemake.exceptions import WorkflowError

from d2a_core.config import PARTS, check, read, read_schema, variants
from d2a_core.evaluation import ablations, protocols
from d2a_core.fan import origins as fan_origins
from d2a_core.fan.origins import SHAPING
from d2a_core.generator import origins
from d2a_core.store import assets
from d2a_core.workflow.digest import code_digest

# Keys of the section `generator` on which no result depends by themselves.
INDIRECT = ("name", "checkpoints", "runtime")

SCHEMA = read_schema(Path(workflow.basedir) / "schemas" / "config.schema.yaml")

try:
    check(config, SCHEMA)
    WEIGHTS = fan_origins.find(config, Path(workflow.basedir), Path.cwd())
    FETCHED = fan_origins.downloads(config)
    config["fan"]["weights"] = WEIGHTS.weights
    VARIANTS = variants(config, ablations.overlays(config), SCHEMA)
    OWN_STAGES = {
        name: ablations.own_stages(config, variant, name=name)
        for name, variant in VARIANTS.items()
    }
    SETS = protocols.photo_sets(config["evaluation"])
    TARGET_CLIPS = protocols.target_clips(config)
    CHOICE = origins.Options(**{key: config["generator"][key] for key in INDIRECT})
    ORIGIN = origins.find(CHOICE, cache="results/.state/sha256.json")
    DOWNLOADS = origins.downloads(CHOICE) | FETCHED
except ValueError as error:
    raise WorkflowError(str(error)) from None

# Priorities: what all else waits for is done first, then what a video waits for; looks at results fill the gaps.
TOWARDS_FAN, TOWARDS_VIDEO = 2, 1

# Ancient: a file that was only touched or moved reruns nothing, another generator has another sha256.
GENERATOR = ancient(ORIGIN.model)
DRAFTS = {
    key: value for key, value in config["generator"].items() if key not in INDIRECT
}
# What was distilled: where training leaves it, and where that lies which is used, which may come from a bundle.
TRAINED_DRAFT = "results/generator/draft.zarr"
TRAINED_REFERENCE = "results/landmarks/reference.zarr"
TRAINED_DIRECTIONS = "results/directions/directions.zarr"
DISTILLED = WEIGHTS.folder
DRAFT = f"{DISTILLED}/generator/draft.zarr"
REFERENCE = f"{DISTILLED}/landmarks/reference.zarr"
DIRECTIONS = f"{DISTILLED}/directions/directions.zarr"
CATALOGUE = f"{DISTILLED}/directions/catalogue.parquet"
GALLERY = f"{DISTILLED}/directions/gallery.png"
FAN = f"{DISTILLED}/fan/all/base.pt"
TRAINED_ENCODER, ENCODER = (
    f"{folder}/inversion/encoder.pt" for folder in ("results", DISTILLED)
)
# A bundle by its sha256: one that was only touched or moved unpacks nothing anew.
BUNDLE = [ancient(WEIGHTS.bundle)] if WEIGHTS.bundle else []
PACKED = f"results/bundle/{ORIGIN.name}.safetensors"
FACE_MODELS = "data/assets/mediapipe-face"
IDENTITY = "data/assets/dlib-face"
GROWN = ("dlib-face",)  # assets that had fewer files in 0.1.0

SHARDS = [
    f"{shard:05d}"
    for shard in range(config["latents"]["samples"] // config["latents"]["shard_size"])
]
PAIR_SHARDS = SHARDS[: config["pairs"]["shards"]]
GOAL_SHARDS = [f"{shard:05d}" for shard in range(config["goals"]["shards"])]
PAIR_PLAN = {
    name: config["pairs"][name] for name in ("sources_per_shard", "per_source", "seed")
}
CLUSTERINGS = {  # the part of each, by name
    f"{part}-k{k}": part
    for part, counts in config["clusters"]["counts"].items()
    for k in counts
    if config["directions"]["method"] == "clusters"
}
CENTROIDS = expand("results/clusters/{clustering}.zarr", clustering=CLUSTERINGS)
LATENT_STORES = expand("results/latents/{shard}.zarr", shard=SHARDS)
# Samples among which no held-out face may be; those behind a bundle were drawn from another stream.
SEEN = [] if BUNDLE else LATENT_STORES
LANDMARK_TABLES = expand("results/landmarks/{shard}.parquet", shard=SHARDS)
KEPT = config["latents"]["keep_images"]
# Shards whose stores have drafts. Read before any job: one that draws a shard again takes its store away first.
ILLUSTRATED = {
    path.parent.stem for path in Path("results/latents").glob("*.zarr/image")
}

SEEDED = [source["name"] for source in config["sources"] if "seed" in source]
PHOTOS = [source["name"] for source in config["sources"] if "image" in source]
SOURCES = [source["name"] for source in config["sources"]]
PERFORMANCES = [clip["name"] for clip in config["driving"]["performances"]]
TABLES = [
    clip["name"]
    for clip in config["driving"]["clips"]
    if clip["path"].lower().endswith(".parquet")
]
SINGLE_CLIPS = PERFORMANCES + [clip["name"] for clip in config["driving"]["clips"]]
# Not a table: what has no picture has nothing to track, and no first frame.
TRACKED = [clip for clip in SINGLE_CLIPS if clip not in TABLES]
COMBINATIONS = [entry["name"] for entry in config["driving"]["combinations"]]
CLIPS = SINGLE_CLIPS + COMBINATIONS

# Photos that the evaluation animates as if they were sources: first frames of clips, and sources of data sets.
EVALUATED_PHOTOS = {
    f"{clip}-first-frame": f"results/evaluation/first-frames/{clip}.png"
    for clip in TRACKED
} | {
    f"{name}-{face}": path
    for name, photos in SETS.items()
    for face, path in photos.items()
    if face.startswith("s")
}
HELD_SOURCES = [
    f"{protocols.HELD_OUT}-{protocols.face_name('s', number)}"
    for number in range(config["evaluation"]["protocols"]["finetuned"])
]

# Weights of the loss that gradient steps follow, by its terms.
STEPS_LOSS = {
    key.removesuffix("_weight"): value
    for key, value in config["fan"]["image"].items()
    if key.endswith("_weight")
}


def core_digest(rule):
    """Digest of a rule's script and of the core modules behind it: the rule reruns when it changes."""
    script = Path(workflow.basedir) / "workflow_scripts" / f"{rule}.py"
    return code_digest(script, cache=Path("results/.state/code.json"))


def packed_defaults(wildcards):
    """What config.yaml itself says of the sections that a bundle comes of."""
    return fan_origins.defaults(read(Path(workflow.basedir) / "config.yaml"))


def more(amount):
    """Twice as much of a resource at every new attempt: a job that was killed for it is tried again with more."""

    def grown(wildcards, attempt):
        return amount * 2 ** (attempt - 1)

    return grown


def without(section, *names):
    """A config section less the parts that a rule does not depend on."""
    return {key: value for key, value in section.items() if key not in names}


def one_of(names):
    """Regular expression that matches exactly these names."""
    return "|".join(re.escape(str(name)) for name in names) or "(?!)"


def named(section, name):
    """The entry called `name` of a list in the config."""
    return next(entry for entry in section if entry["name"] == name)


def keeps_images(wildcards):
    """Whether the store of a shard holds its drafts: those that are there stay when no more are kept."""
    return KEPT or wildcards.shard in ILLUSTRATED


def illustrated(shard):
    """The store with the drafts of a shard."""
    passing = "" if KEPT or shard in ILLUSTRATED else ".passing"
    return f"results/latents/{shard}{passing}.zarr"


def images_of(wildcards):
    """The same, for a rule of one shard."""
    return illustrated(wildcards.shard)


def asset_of(wildcards):
    """A model file to fetch: its name in the table of assets, or all that is known of it.

    A folder of files that have become more is fetched anew; the name alone would not tell Snakemake.
    """
    name = wildcards.asset
    asset = assets.ASSETS[name] if name in GROWN else DOWNLOADS.get(name)
    return dataclasses.asdict(asset) if asset else name


wildcard_constraints:
    asset=one_of([*assets.ASSETS, *DOWNLOADS]),
    generator=one_of([ORIGIN.key]),
    shard=r"\d{5}",
    group=one_of(config["fan"]["groups"]),
    seeded=one_of(SEEDED),
    photo=one_of([*PHOTOS, *EVALUATED_PHOTOS]),
    source=one_of([*SOURCES, *EVALUATED_PHOTOS, *HELD_SOURCES]),
    clip=one_of(CLIPS),
    pasted="paste-back|all-faces",
    performance=one_of(PERFORMANCES),
    tracked=one_of(TRACKED),
    table=one_of(TABLES),
    combination=one_of(COMBINATIONS),
    footage=one_of(TRACKED),
    morph=one_of(morph["name"] for morph in config["morphs"]),
