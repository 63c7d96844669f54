"""Footage: a video of a face as a path of codes, so that it can be edited (paper, section 5, video editing)."""


rule invert_footage:
    """Find the code of every frame of a clip with the help of its neighbours."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        directions=DIRECTIONS,
        fan=FAN,
        code="results/sources/{footage}-first-frame/inversion.zarr",
        tuning=["results/sources/{footage}-first-frame/tuning.pt"],
        landmarks="results/sources/{footage}-first-frame/landmarks.parquet",
        driving="results/driving/{footage}.parquet",
        video=clip_of_footage,
    output:
        codes=directory("results/footage/{footage}.zarr"),
        sheet=report(
            "results/footage/{footage}.sheet.png",
            category="Footage",
            labels={"clip": "{footage}"},
        ),
    log:
        "results/logs/invert_footage/{footage}.log",
    benchmark:
        "results/benchmarks/invert_footage/{footage}.tsv"
    threads: 2
    resources:
        mem_mb=more(6000),
        runtime=more(120),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        footage=config["footage"],
        animations=without(config["animations"], "comparison", "paste_back"),
        core=core_digest("invert_footage"),
    script:
        "../workflow_scripts/invert_footage.py"
