"""AugDistiller in image space, step 1: faces, and the landmarks that are asked of them."""


rule draw_goals:
    """Draw the faces of one shard, detect them, and ask each for the landmarks of others."""
    input:
        generator=GENERATOR,
        draft=TRAINED_DRAFT,
        models=FACE_MODELS,
        landmarks=LANDMARK_TABLES[0],
    output:
        goals=directory("results/goals/{group}/{shard}.zarr"),
    log:
        "results/logs/draw_goals/{group}-{shard}.log",
    benchmark:
        "results/benchmarks/draw_goals/{group}-{shard}.tsv"
    priority: TOWARDS_FAN
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        plan=without(config["goals"], "shards"),
        core=core_digest("draw_goals"),
    script:
        "../workflow_scripts/draw_goals.py"
