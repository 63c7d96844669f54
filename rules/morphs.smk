"""Morphs: a source on its way between two poses (paper, Figure 9)."""


rule morph:
    """Let one source go from one pose to another, in even steps."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
        fan=fans_of,
        tuning=tuning_of,
        consultation=consultation_of,
        image="results/sources/{source}/aligned.png",
        code="results/sources/{source}/inversion.zarr",
        landmarks="results/sources/{source}/landmarks.parquet",
        start=start_of,
        end=end_of,
    output:
        video="results/morphs/{source}--{morph}.mp4",
        latents=directory("results/morphs/{source}--{morph}.latents.zarr"),
        figures="results/morphs/{source}--{morph}.figures.parquet",
        sheet=report(
            "results/morphs/{source}--{morph}.sheet.png",
            category="Morphs",
            labels={"source": "{source}", "morph": "{morph}"},
        ),
    log:
        "results/logs/morph/{source}--{morph}.log",
    benchmark:
        "results/benchmarks/morph/{source}--{morph}.tsv"
    threads: 2
    resources:
        mem_mb=more(5000),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        morph=morph_of,
        animations=without(config["animations"], "comparison", "paste_back"),
        loss=STEPS_LOSS if config["animations"]["refinements"] else None,
        columns=config["animations"]["comparison"]["sheet_columns"],
        yaw_limit_deg=config["hfgi"]["yaw_limit_deg"],
        core=core_digest("morph"),
    script:
        "../workflow_scripts/morph.py"
