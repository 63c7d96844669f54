"""Known values, wildcard constraints and helpers of all rules."""

import dataclasses
import re
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

from d2a_core import ablations, assets, origins
from d2a_core.config import check, variants
from d2a_core.digest import code_digest

# Keys of the section `generator` on which no result depends by themselves.
INDIRECT = ("name", "checkpoints", "runtime")

SCHEMA = yaml.safe_load(
    (Path(workflow.basedir) / "schemas" / "config.schema.yaml").read_text()
)

try:
    check(config, SCHEMA)
    OVERLAYS = ablations.scaling(config) | config["evaluation"]["ablations"]
    VARIANTS = variants(config, OVERLAYS, SCHEMA)
    OWN_STAGES = {
        name: ablations.own_stages(config, variant, name=name)
        for name, variant in VARIANTS.items()
    }
    CHOICE = origins.Options(**{key: config["generator"][key] for key in INDIRECT})
    ORIGIN = origins.find(CHOICE, cache="results/.state/sha256.json")
    DOWNLOADS = origins.downloads(CHOICE)
except ValueError as error:
    raise WorkflowError(str(error)) from None


def core_digest(rule):
    """Digest of a rule's script and of the core modules behind it: the rule reruns when it changes."""
    return code_digest(Path(workflow.basedir) / "workflow_scripts" / f"{rule}.py")


def without(section, *names):
    """A config section less the parts that a rule does not depend on."""
    return {key: value for key, value in section.items() if key not in names}


def one_of(names):
    """Regular expression that matches exactly these names."""
    return "|".join(re.escape(str(name)) for name in names) or "(?!)"


def named(section, name):
    """The entry called `name` of a list in the config."""
    return next(entry for entry in section if entry["name"] == name)


def asset_of(wildcards):
    """A model file to fetch: its name in the table of assets, or a download that the config describes."""
    download = DOWNLOADS.get(wildcards.asset)
    return dataclasses.asdict(download) if download else wildcards.asset


def performance_of(wildcards):
    """Config of a performed clip."""
    return named(config["driving"]["performances"], wildcards.clip)


def table_of(wildcards):
    """Landmark table that the user gives as a clip."""
    return named(config["driving"]["clips"], wildcards.table)["path"]


def video_of(wildcards):
    """File of a driving clip: a performed one, a drawn one, or the user's own."""
    if wildcards.clip in PERFORMANCES + TABLES:
        return f"results/driving/{wildcards.clip}.mp4"
    return named(config["driving"]["clips"], wildcards.clip)["path"]


def seeded_of(wildcards):
    """Config of a source face that the generator makes up."""
    return named(config["sources"], wildcards.seeded)


def photo_of(wildcards):
    """Config of a source face on a photo."""
    return named(config["sources"], wildcards.photo)


def image_of(wildcards):
    """File of a photo."""
    return photo_of(wildcards)["image"]


def fan_of(wildcards):
    """Checkpoint that drives a source: its own where the config asks for one, else the base."""
    tuned = {"all": SOURCES, "photos": PHOTOS, "none": []}
    own = wildcards.source in tuned[config["fan"]["finetune"]["sources"]]
    return f"results/fan/all/{wildcards.source if own else 'base'}.pt"


def tuning_of(wildcards):
    """What the generator has learned of a photo; a source from a seed needs none."""
    tuned = f"results/sources/{wildcards.source}/tuning.pt"
    return [tuned] if wildcards.source in PHOTOS else []


def consultation_of(wildcards):
    """Networks that put back what the code of a photo cannot hold, where the config asks for them."""
    return CONSULTATION if wildcards.source in PHOTOS else []


SHARDS = [
    f"{shard:05d}"
    for shard in range(config["latents"]["samples"] // config["latents"]["shard_size"])
]
PAIR_SHARDS = SHARDS[: config["pairs"]["shards"]]
PAIR_PLAN = {
    name: config["pairs"][name] for name in ("sources_per_shard", "per_source", "seed")
}
CLUSTERINGS = [
    f"{part}-k{k}"
    for part, ks in config["clusters"]["counts"].items()
    for k in ks
    if config["directions"]["method"] == "clusters"
]
SEEDED = [source["name"] for source in config["sources"] if "seed" in source]
PHOTOS = [source["name"] for source in config["sources"] if "image" in source]
SOURCES = [source["name"] for source in config["sources"]]
PERFORMANCES = [clip["name"] for clip in config["driving"]["performances"]]
CLIPS = PERFORMANCES + [clip["name"] for clip in config["driving"]["clips"]]
TABLES = [
    clip["name"]
    for clip in config["driving"]["clips"]
    if clip["path"].lower().endswith(".parquet")
]
VIDEOS = expand(
    "results/animations/{source}--{clip}{kind}",
    source=SOURCES,
    clip=CLIPS,
    kind=[".mp4", "--side-by-side.mp4", ".sheet.png", ".figures.parquet"],
)

METHOD = config["inversion"]["method"]
ENCODER = [] if METHOD == "optimize" else ["results/inversion/encoder.pt"]
CONSULTATION = ["results/inversion/hfgi.pt"] if METHOD == "hfgi" else []

# Ancient: a file that was only touched or moved reruns nothing, another generator has another sha256.
GENERATOR = ancient(ORIGIN.model)
DRAFTS = without(config["generator"], *INDIRECT)
FACE_MODELS = "data/assets/mediapipe-face"
IDENTITY = "data/assets/dlib-face"
DRAFT = "results/generator/draft.zarr"
DIRECTIONS = "results/directions/directions.zarr"
LATENT_STORES = expand("results/latents/{shard}.zarr", shard=SHARDS)
LANDMARK_TABLES = expand("results/landmarks/{shard}.parquet", shard=SHARDS)


wildcard_constraints:
    asset=one_of([*assets.ASSETS, *DOWNLOADS]),
    generator=one_of([ORIGIN.key]),
    shard=r"\d{5}",
    part=one_of(config["clusters"]["counts"]),
    k=r"\d+",
    group=one_of(config["pairs"]["groups"]),
    seeded=one_of(SEEDED),
    photo=one_of(PHOTOS),
    source=one_of(SOURCES),
    clip=one_of(CLIPS),
    table=one_of(TABLES),
