"""Controls: named sliders of a face, made of directions and measured on rendered faces."""


rule measure_controls:
    """Make the controls on some faces, and measure on others what each does to everything."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        directions=DIRECTIONS,
        pairs=expand("results/pairs/all/{shard}.zarr", shard=PAIR_SHARDS),
    output:
        controls=directory("results/controls/controls.zarr"),
        purity="results/controls/purity.parquet",
        text=report(
            "results/controls/purity.md",
            category="Controls",
            labels={"figure": "purity"},
        ),
        picture=report(
            "results/controls/controls.png",
            category="Controls",
            labels={"figure": "ranges"},
        ),
    log:
        "results/logs/measure_controls.log",
    benchmark:
        "results/benchmarks/measure_controls.tsv"
    threads: 2
    resources:
        mem_mb=more(3500),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        controls=config["controls"],
        core=core_digest("measure_controls"),
    script:
        "../workflow_scripts/measure_controls.py"
