"""d2animator: distil a pretrained StyleGAN into a face animator. See README.md."""

from snakemake.utils import min_version

from d2a_core.store import atomic

min_version("9.14.8")


configfile: f"{workflow.basedir}/config.yaml"


include: "rules/common.smk"
include: "rules/inputs_sources.smk"
include: "rules/inputs_driving.smk"
include: "rules/inputs_evaluation.smk"
include: "rules/assets.smk"
include: "rules/generator.smk"
include: "rules/latents.smk"
include: "rules/landmarks.smk"
include: "rules/clusters.smk"
include: "rules/directions.smk"
include: "rules/controls.smk"
include: "rules/pairs.smk"
include: "rules/goals.smk"
include: "rules/fan.smk"
include: "rules/inversion.smk"
include: "rules/bundle.smk"
include: "rules/sources.smk"
include: "rules/driving.smk"
include: "rules/animations.smk"
include: "rules/footage.smk"
include: "rules/morphs.smk"
include: "rules/ablations.smk"
include: "rules/evaluation_faces.smk"
include: "rules/evaluation_results.smk"
include: "rules/evaluation_scores.smk"
include: "rules/evaluation_tables.smk"


# Here the lock on results/ is held, so no other run is writing. data/assets may be shared by several projects.
onstart:
    atomic.sweep("results")
    logger.info(WEIGHTS.sentence)


rule all:
    """Every source driven by every clip, every morph, the gallery of directions, a look at held-out pairs."""
    default_target: True
    input:
        VIDEOS,
        MORPHS,
        GALLERY,
        "results/evaluation/first-pairs.md",
        "results/evaluation/first-pairs.png",


rule evaluation:
    """The paper's Tables 1 and 2, videos over time, and a page to read."""
    input:
        "results/evaluation/table.md",
        "results/evaluation/pairs.png",
        "results/evaluation/ablations.md",
        "results/evaluation/videos.parquet",
        "results/evaluation/report.html",
