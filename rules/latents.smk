"""CluDistiller, step 1: random faces.

In: the generator. Out: stores of latents and draft images, one a shard.
"""


rule sample_latents:
    """Draw random latents of one shard and render their drafts."""
    input:
        generator=GENERATOR,
        draft=TRAINED_DRAFT,
    output:
        latents=directory("results/latents/{shard}.zarr"),
        # drafts that are not kept, until their landmarks are known
        passing=temp(directory("results/latents/{shard}.passing.zarr")),
    log:
        "results/logs/sample_latents/{shard}.log",
    benchmark:
        "results/benchmarks/sample_latents/{shard}.tsv"
    priority: TOWARDS_FAN
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        shard_size=config["latents"]["shard_size"],
        seed=config["latents"]["seed"],
        images=keeps_images,
        core=core_digest("sample_latents"),
    script:
        "../workflow_scripts/sample_latents.py"
