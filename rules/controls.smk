"""Controls: what the sliders of a face do, measured on rendered faces."""


rule measure_controls:
    """Move some faces by each control, and measure what came and what else happened."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
        fan=FAN,
    output:
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
        mem_mb=more(4000),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        controls=config["controls"],
        loss=STEPS_LOSS,
        core=core_digest("measure_controls"),
    script:
        "../workflow_scripts/measure_controls.py"
