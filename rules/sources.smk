"""Faces to animate, as codes in W+."""


rule sample_source:
    """Render the face of one seed and detect its landmarks."""
    input:
        generator=GENERATOR,
        models=FACE_MODELS,
    output:
        image="results/sources/{source}/aligned.png",
        code=directory("results/sources/{source}/inversion.zarr"),
        landmarks="results/sources/{source}/landmarks.parquet",
    log:
        "results/logs/sample_source/{source}.log",
    benchmark:
        "results/benchmarks/sample_source/{source}.tsv"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=15,
    params:
        generator=config["generator"],
        landmarks=config["landmarks"],
        source=source_of,
        core=core_digest("sample_source"),
    script:
        "../workflow_scripts/sample_source.py"
