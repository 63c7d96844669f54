"""The stages that an ablation has of its own, as a module of ablations.smk."""

STAGES = config.pop("stages")


include: "common.smk"
include: "inputs_sources.smk"


for STAGE in STAGES:

    include: f"{STAGE}.smk"
