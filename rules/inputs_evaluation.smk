"""Inputs of the evaluation: who is driven, by whom, and by which method."""

from d2a_core.animation.step_counts import ALONE
from d2a_core.evaluation import methods

PROTOCOLS = config["evaluation"]["protocols"]
FIRST_PAIRS = min(config["evaluation"]["first_pairs"], PROTOCOLS["pairs"])
SET_SIZES = protocols.set_sizes(config["evaluation"], SETS)
FACE_SETS = [*SET_SIZES, *TARGET_CLIPS]
FACE_TABLES = expand("results/evaluation/faces/{name}.parquet", name=FACE_SETS)
FACE_FOLDERS = expand("results/evaluation/faces/{name}", name=FACE_SETS)
FACE_CODES = expand("results/evaluation/faces/{name}.zarr", name=SET_SIZES)
METHODS = methods.by_name(config)
BASELINES = list(methods.BASELINES)
BASELINE_FOLDERS = expand("results/evaluation/frames/{name}", name=BASELINES)
SCORED = methods.scored_together(config)
OURS = [name for name, method in METHODS.items() if method.ours]
TABLE_1 = methods.in_table_1(config)
MAINS, TABLE_2 = methods.mains_of_table_2(config), methods.in_table_2(config)
TRAINED = {name: ablations.trained_on(VARIANTS.get(name, config)) for name in OURS}
# Files, which no digest of code knows of.
REPORT_TEMPLATE = [
    f"{workflow.basedir}/d2a_core/evaluation/report/{name}"
    for name in ("page.html", "page.css")
]
MEASURED = {f"{clip}-first-frame--{clip}": "self-driving" for clip in TRACKED} | {
    f"{source}--{clip}": "animation" for source in SOURCES for clip in CLIPS
}


def source_names_of(wildcards):
    """Names of the sources of a data set."""
    return [name for name in SETS[wildcards.photo_set] if name.startswith("s")]


def sources_of(kind):
    """Input function: an artefact of every source of a data set."""

    def found(wildcards):
        return [
            f"results/sources/{wildcards.photo_set}-{name}/{kind}"
            for name in source_names_of(wildcards)
        ]

    return found


def other_names_of(wildcards):
    """Photo of each target and reference of a data set, by its name."""
    photos = SETS[wildcards.photo_set]
    return {name: path for name, path in photos.items() if not name.startswith("s")}


def others_of(wildcards):
    """Photos of the targets and references of a data set."""
    return list(other_names_of(wildcards).values())


def target_clip_of(wildcards):
    """File of a clip whose frames drive."""
    return TARGET_CLIPS[wildcards.target_clip]


def ablated(method, stage, path):
    """Artefact of a stage, the ablation's own where it has that stage."""
    own = stage in OWN_STAGES.get(method, ())
    if own:
        return f"results/ablations/{method}/{stage}/{path}"
    return f"{'results' if method in VARIANTS else DISTILLED}/{stage}/{path}"


def directions_of(wildcards):
    """Directions of a method."""
    return ablated(wildcards.method, "directions", "directions.zarr")


def first_fan_of(wildcards):
    """The FAN of a method, or of its first source."""
    if wildcards.method == methods.FINETUNED:
        return f"results/fan/all/{HELD_SOURCES[0]}.pt"
    return ablated(wildcards.method, "fan", "all/base.pt")


def other_fans_of(wildcards):
    """FANs of the other sources, where each has its own."""
    if wildcards.method == methods.FINETUNED:
        return [f"results/fan/all/{source}.pt" for source in HELD_SOURCES[1:]]
    return []


def last_pass_of(wildcards):
    """Closed-loop passes of a method of ours."""
    return METHODS[wildcards.method].passes[-1]


def refinements_of(wildcards):
    """Gradient steps of a method of ours: those of a face alone, or none."""
    refined = wildcards.method == methods.REFINED
    return config["animations"]["refinements"] * ALONE if refined else 0


def loss_of(wildcards):
    """Weights of the loss that they follow."""
    return STEPS_LOSS if wildcards.method == methods.REFINED else None


def followed_of(wildcards):
    """The identity network, which is part of it."""
    return [IDENTITY] if wildcards.method == methods.REFINED else []


def methods_of(wildcards):
    """Names of the methods that a rule makes or scores; those of one job are alike."""
    scored = getattr(wildcards, "scored", None)
    return list(SCORED[scored]) if scored else [wildcards.method]


def protocols_of(wildcards):
    """Protocols on which methods are scored."""
    return list(METHODS[methods_of(wildcards)[0]].protocols)


def passes_of(wildcards):
    """Numbers of passes after which methods have results; -1 for those that have none."""
    return list(METHODS[methods_of(wildcards)[0]].passes)


def frames_of(wildcards):
    """Folders of the pictures of methods; of an external one the user's."""
    outside = config["evaluation"]["external"]
    return [
        outside.get(name, f"results/evaluation/frames/{name}")
        for name in methods_of(wildcards)
    ]


def steps_of(wildcards):
    """Table of the step errors of a method of ours."""
    steps = f"results/evaluation/steps/{wildcards.scored}.parquet"
    return [steps] if wildcards.scored in OURS else []


wildcard_constraints:
    photo_set=one_of(SETS),
    target_clip=one_of(TARGET_CLIPS),
    method=one_of(OURS),
    scored=one_of(SCORED),
    face=r"s\d{5}",
