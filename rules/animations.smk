"""Animation: source, clip and FAN → path in W+ → video (equations 6 and 7)."""


rule animate:
    """Let one source move like one clip."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        directions=DIRECTIONS,
        fan=fan_of,
        code="results/sources/{source}/inversion.zarr",
        landmarks="results/sources/{source}/landmarks.parquet",
        driving="results/driving/{clip}.parquet",
        video=video_of,
    output:
        video="results/animations/{source}--{clip}.mp4",
        latents=directory("results/animations/{source}--{clip}.latents.zarr"),
    log:
        "results/logs/animate/{source}--{clip}.log",
    benchmark:
        "results/benchmarks/animate/{source}--{clip}.tsv"
    threads: 2
    resources:
        mem_mb=3500,
        runtime=120,
    params:
        generator=config["generator"],
        landmarks=config["landmarks"],
        animations=without(config["animations"], "comparison"),
        core=core_digest("animate"),
    script:
        "../workflow_scripts/animate.py"


rule compare_motion:
    """Put source, driver and result beside one another."""
    input:
        image="results/sources/{source}/aligned.png",
        driver=video_of,
        video="results/animations/{source}--{clip}.mp4",
    output:
        side_by_side="results/animations/{source}--{clip}--side-by-side.mp4",
        sheet=report(
            "results/animations/{source}--{clip}.sheet.png",
            category="Animations",
            labels={"source": "{source}", "clip": "{clip}"},
        ),
    log:
        "results/logs/compare_motion/{source}--{clip}.log",
    benchmark:
        "results/benchmarks/compare_motion/{source}--{clip}.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        comparison=config["animations"]["comparison"],
        crf=config["animations"]["crf"],
        core=core_digest("compare_motion"),
    script:
        "../workflow_scripts/compare_motion.py"
