"""AugDistiller, step 1: augmented faces around sampled ones (equations 1 and 2)."""


rule augment_latents:
    """Move the faces of one shard along random sums of directions and detect what became of them."""
    input:
        generator=GENERATOR,
        draft=TRAINED_DRAFT,
        models=FACE_MODELS,
        directions=TRAINED_DIRECTIONS,
        latents="results/latents/{shard}.zarr",
        landmarks="results/landmarks/{shard}.parquet",
    output:
        pairs=directory("results/pairs/{group}/{shard}.zarr"),
    log:
        "results/logs/augment_latents/{group}-{shard}.log",
    benchmark:
        "results/benchmarks/augment_latents/{group}-{shard}.tsv"
    priority: TOWARDS_FAN
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        plan=PAIR_PLAN,
        core=core_digest("augment_latents"),
    script:
        "../workflow_scripts/augment_latents.py"
