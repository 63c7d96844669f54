"""Known values, wildcard constraints and helpers of all rules."""

import dataclasses
import re
from pathlib import Path

from snakemake.exceptions import WorkflowError

from d2a_core.config import check, read_schema, variants
from d2a_core.workflow.digest import code_digest
from d2a_core.evaluation import ablations, protocols
from d2a_core.generator import origins
from d2a_core.store import assets

# Keys of the section `generator` on which no result depends by themselves.
INDIRECT = ("name", "checkpoints", "runtime")

SCHEMA = read_schema(Path(workflow.basedir) / "schemas" / "config.schema.yaml")

try:
    check(config, SCHEMA)
    OVERLAYS = ablations.scaling(config) | config["evaluation"]["ablations"]
    VARIANTS = variants(config, OVERLAYS, SCHEMA)
    OWN_STAGES = {
        name: ablations.own_stages(config, variant, name=name)
        for name, variant in VARIANTS.items()
    }
    SETS = protocols.photo_sets(config["evaluation"])
    TARGET_CLIPS = protocols.target_clips(config)
    CHOICE = origins.Options(**{key: config["generator"][key] for key in INDIRECT})
    ORIGIN = origins.find(CHOICE, cache="results/.state/sha256.json")
    DOWNLOADS = origins.downloads(CHOICE)
except ValueError as error:
    raise WorkflowError(str(error)) from None


def core_digest(rule):
    """Digest of a rule's script and of the core modules behind it: the rule reruns when it changes."""
    script = Path(workflow.basedir) / "workflow_scripts" / f"{rule}.py"
    return code_digest(script, cache=Path("results/.state/code.json"))


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


def target_clip_of(wildcards):
    """File of a clip whose frames drive in the evaluation."""
    return TARGET_CLIPS[wildcards.target_clip]


def aligned_of(wildcards):
    """Aligned sources of a data set."""
    return [
        f"results/sources/{wildcards.photo_set}-{name}/aligned.png"
        for name in source_names_of(wildcards)
    ]


def codes_of(wildcards):
    """Codes of the sources of a data set."""
    return [
        f"results/sources/{wildcards.photo_set}-{name}/inversion.zarr"
        for name in source_names_of(wildcards)
    ]


def source_names_of(wildcards):
    """Names of the sources of a data set."""
    return [name for name in SETS[wildcards.photo_set] if name.startswith("s")]


def other_names_of(wildcards):
    """Photo of each target and reference of a data set, by its name."""
    photos = SETS[wildcards.photo_set]
    return {name: path for name, path in photos.items() if not name.startswith("s")}


def others_of(wildcards):
    """Photos of the targets and references of a data set."""
    return list(other_names_of(wildcards).values())


def ablated(method, stage, path):
    """Artefact of a stage, the ablation's own where it has that stage."""
    own = stage in OWN_STAGES.get(method, ())
    return (
        f"results/ablations/{method}/{stage}/{path}"
        if own
        else f"results/{stage}/{path}"
    )


def directions_of(wildcards):
    """Directions of a method."""
    return ablated(wildcards.method, "directions", "directions.zarr")


def first_fan_of(wildcards):
    """The FAN of a method, or of its first source."""
    if wildcards.method == "finetuned":
        return f"results/fan/all/{HELD_SOURCES[0]}.pt"
    return ablated(wildcards.method, "fan", "all/base.pt")


def other_fans_of(wildcards):
    """FANs of the other sources, where each has its own."""
    if wildcards.method == "finetuned":
        return [f"results/fan/all/{source}.pt" for source in HELD_SOURCES[1:]]
    return []


def method_of(wildcards):
    """The method that a rule makes or scores."""
    return getattr(wildcards, "method", None) or wildcards.scored


def protocols_of(wildcards):
    """Protocols of a method: ablations are compared as in the paper, fine-tuning on sources of its own."""
    method = method_of(wildcards)
    if method in ("untuned", "finetuned"):
        return [protocols.FINETUNING]
    if method in (*VARIANTS, *(f"control-{control}" for control in CONTROLS)):
        return [protocols.CROSS]
    return [protocols.CROSS, protocols.SELF, protocols.SEQUENCE]


def last_pass_of(wildcards):
    """Closed-loop passes of a method of ours."""
    return config["evaluation"]["passes"] if wildcards.method == "d2animator" else 0


def passes_of(wildcards):
    """Numbers of passes after which there are results; -1 for a method that has none."""
    if wildcards.scored in OURS:
        main = wildcards.scored == "d2animator"
        return list(range(config["evaluation"]["passes"] + 1)) if main else [0]
    return [-1]


def frames_of(wildcards):
    """Folder of the pictures of a method; of an external one the user's."""
    outside = config["evaluation"]["external"]
    return outside.get(
        wildcards.scored, f"results/evaluation/frames/{wildcards.scored}"
    )


def steps_of(wildcards):
    """Table of the step errors of a method of ours."""
    return (
        [f"results/evaluation/steps/{wildcards.scored}.parquet"]
        if wildcards.scored in OURS
        else []
    )


def video_of(wildcards):
    """File of a driving clip."""
    return file_of(wildcards.clip)


def file_of(clip):
    """File of the clip of a name: a performed one, a drawn one, or the user's own."""
    if clip in PERFORMANCES + TABLES + COMBINATIONS:
        return f"results/driving/{clip}.mp4"
    return named(config["driving"]["clips"], clip)["path"]


def clip_of_footage(wildcards):
    """File of a clip that is inverted."""
    return file_of(wildcards.footage)


def seen_of(wildcards):
    """Files that show who drives: of a combination those of both clips, of a landmark table none."""
    names = [wildcards.clip]
    if wildcards.clip in COMBINATIONS:
        combination = named(config["driving"]["combinations"], wildcards.clip)
        names = [combination["pose"], combination["expression"]]
    return [file_of(name) for name in dict.fromkeys(names) if name not in TABLES]


def morph_of(wildcards):
    """Config of a morph."""
    return named(config["morphs"], wildcards.morph)


def pose_of(name, source):
    """Landmarks of a pose: of a source that is a seed or moves itself, of another photo, or of a clip."""
    if name in (source, *SEEDED):
        return f"results/sources/{name}/landmarks.parquet"
    return (
        f"results/sources/{name}/pose.parquet"
        if name in PHOTOS
        else f"results/driving/{name}.parquet"
    )


def start_of(wildcards):
    """Landmarks of the pose that a morph starts from."""
    return pose_of(morph_of(wildcards)["start"], wildcards.source)


def end_of(wildcards):
    """Landmarks of the pose that a morph leads to."""
    return pose_of(morph_of(wildcards)["end"], wildcards.source)


def seeded_of(wildcards):
    """Config of a source face that the generator makes up."""
    return named(config["sources"], wildcards.seeded)


def photo_of(wildcards):
    """Config of a source face on a photo: the user's, one of a data set, or the first frame of a clip."""
    if wildcards.photo in EVALUATED_PHOTOS:
        image = EVALUATED_PHOTOS[wildcards.photo]
        return {"name": wildcards.photo, "image": image, "face": 0}
    return named(config["sources"], wildcards.photo)


def image_of(wildcards):
    """File of a photo."""
    return photo_of(wildcards)["image"]


def combination_of(wildcards):
    """Config of a driver that is made of two clips."""
    return named(config["driving"]["combinations"], wildcards.combination)


def part_of(part, kind):
    """Input function: table or video of the clip that a combination takes its pose or expression from."""

    def found(wildcards):
        clip = combination_of(wildcards)[part]
        return f"results/driving/{clip}.parquet" if kind == "table" else file_of(clip)

    return found


def fans_of(wildcards):
    """Checkpoints that drive a source: its own where the config asks for them, else the base ones."""
    tuned = {"all": SOURCES, "photos": PHOTOS, "none": []}
    own = wildcards.source in tuned[config["fan"]["finetune"]["sources"]]
    groups = (
        ["pose", "expression"] if config["animations"]["fan"] == "groups" else ["all"]
    )
    return [
        f"results/fan/{group}/{wildcards.source if own else 'base'}.pt"
        for group in groups
    ]


def tuning_of(wildcards):
    """What the generator has learned of a photo; a source from a seed needs none."""
    tuned = f"results/sources/{wildcards.source}/tuning.pt"
    return [tuned] if wildcards.source in [*PHOTOS, *EVALUATED_PHOTOS] else []


def controls_of(wildcards):
    """The controls that correct a path, where the config asks for it."""
    return (
        ["results/controls/controls.zarr"]
        if config["animations"]["corrections"]
        else []
    )


def consultation_of(wildcards):
    """Networks that put back what the code of a photo cannot hold, where the config asks for them."""
    return CONSULTATION if wildcards.source in [*PHOTOS, *EVALUATED_PHOTOS] else []


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
COMBINATIONS = [entry["name"] for entry in config["driving"]["combinations"]]
SINGLE_CLIPS = PERFORMANCES + [clip["name"] for clip in config["driving"]["clips"]]
CLIPS = SINGLE_CLIPS + COMBINATIONS
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

MORPHS = [
    f"results/morphs/{morph['source']}--{morph['name']}.mp4"
    for morph in config["morphs"]
]

# The evaluation: who is driven, by whom, and by which method.
PROTOCOLS = config["evaluation"]["protocols"]
SET_SIZES = {protocols.HELD_OUT: PROTOCOLS["pairs"]} | {
    name: sum(face.startswith("s") for face in photos) for name, photos in SETS.items()
}
FACE_SETS = [*SET_SIZES, *TARGET_CLIPS]
FACE_TABLES = expand("results/evaluation/faces/{name}.parquet", name=FACE_SETS)
FACE_FOLDERS = expand("results/evaluation/faces/{name}", name=FACE_SETS)
FACE_CODES = expand("results/evaluation/faces/{name}.zarr", name=SET_SIZES)
CONTROLS = ["source", "target", "noise"]
OURS = ["d2animator", *VARIANTS, "untuned", "finetuned"]
TABLE_1 = [
    "d2animator",
    *config["evaluation"]["external"],
    *(f"control-{control}" for control in CONTROLS),
]
HELD_SOURCES = [
    f"held-out-{protocols.face_name('s', n)}" for n in range(PROTOCOLS["finetuned"])
]
MAINS = ["d2animator", *(["untuned"] if HELD_SOURCES else [])]
TABLE_2 = [*VARIANTS, *(["finetuned"] if HELD_SOURCES else [])]
TRAINED = {name: ablations.trained_on(VARIANTS.get(name, config)) for name in OURS}
# Not a table: what has no picture has no first frame.
FIRST_FRAMES = {
    f"{clip}-first-frame": clip for clip in SINGLE_CLIPS if clip not in TABLES
}
EVALUATED_PHOTOS = {
    name: f"results/evaluation/first-frames/{clip}.png"
    for name, clip in FIRST_FRAMES.items()
} | {
    f"{name}-{face}": path
    for name, photos in SETS.items()
    for face, path in photos.items()
    if face.startswith("s")
}
MEASURED = {
    f"{name}--{clip}": "self-driving" for name, clip in FIRST_FRAMES.items()
} | {f"{source}--{clip}": "animation" for source in SOURCES for clip in CLIPS}

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
# Drafts that are not kept live in a store of their own until their landmarks are known.
KEPT = config["latents"]["keep_images"]
IMAGES = f"results/latents/{{shard}}{'' if KEPT else '.images'}.zarr"
PASSING_IMAGES = [] if KEPT else [temp(directory(IMAGES))]
LATENT_STORES = expand("results/latents/{shard}.zarr", shard=SHARDS)
STRANGERS = LATENT_STORES[:1] if KEPT else []
LANDMARK_TABLES = expand("results/landmarks/{shard}.parquet", shard=SHARDS)


wildcard_constraints:
    asset=one_of([*assets.ASSETS, *DOWNLOADS]),
    generator=one_of([ORIGIN.key]),
    shard=r"\d{5}",
    part=one_of(config["clusters"]["counts"]),
    k=r"\d+",
    group=one_of(config["fan"]["groups"]),
    seeded=one_of(SEEDED),
    photo=one_of([*PHOTOS, *EVALUATED_PHOTOS]),
    source=one_of([*SOURCES, *EVALUATED_PHOTOS, *HELD_SOURCES]),
    clip=one_of(CLIPS),
    morph=one_of(morph["name"] for morph in config["morphs"]),
    table=one_of(TABLES),
    combination=one_of(COMBINATIONS),
    footage=one_of(FIRST_FRAMES.values()),
    photo_set=one_of(SETS),
    target_clip=one_of(TARGET_CLIPS),
    method=one_of(OURS),
    scored=one_of([*OURS, *TABLE_1]),
    control=one_of(CONTROLS),
    face=r"s\d{5}",
