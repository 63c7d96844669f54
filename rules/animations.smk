"""Animation: source, clip and FAN → path in W+ → video (equations 6 and 7)."""


rule animate:
    """Let one source move like one clip."""
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
        driving="results/driving/{clip}.parquet",
        video=video_of,
    output:
        video="results/animations/{source}--{clip}.mp4",
        latents=directory("results/animations/{source}--{clip}.latents.zarr"),
    log:
        "results/logs/animate/{source}--{clip}.log",
    benchmark:
        "results/benchmarks/animate/{source}--{clip}.tsv"
    priority: TOWARDS_VIDEO
    threads: 2
    resources:
        mem_mb=more(5000),
        runtime=more(120),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        animations=without(config["animations"], "comparison", "paste_back"),
        loss=STEPS_LOSS if config["animations"]["refinements"] else None,
        yaw_limit_deg=config["hfgi"]["yaw_limit_deg"],
        core=core_digest("animate"),
    script:
        "../workflow_scripts/animate.py"


rule compare_motion:
    """Put source, driver and result beside one another."""
    input:
        image="results/sources/{source}/aligned.png",
        driver=video_of,
        video="results/animations/{source}--{clip}.mp4",
        latents="results/animations/{source}--{clip}.latents.zarr",
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
    group:
        "figures"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(30),
    params:
        comparison=config["animations"]["comparison"],
        crf=config["animations"]["crf"],
        core=core_digest("compare_motion"),
    script:
        "../workflow_scripts/compare_motion.py"


rule measure_animation:
    """Measure how well a video follows its clip and keeps its source."""
    input:
        models=FACE_MODELS,
        identity=IDENTITY,
        image="results/sources/{source}/aligned.png",
        driving="results/driving/{clip}.parquet",
        driver=seen_of,
        tracks=tracks_of_seen,
        reference=REFERENCE,
        video="results/animations/{source}--{clip}.mp4",
        latents="results/animations/{source}--{clip}.latents.zarr",
    output:
        figures="results/animations/{source}--{clip}.figures.parquet",
    log:
        "results/logs/measure_animation/{source}--{clip}.log",
    benchmark:
        "results/benchmarks/measure_animation/{source}--{clip}.tsv"
    group:
        "figures"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(30),
    params:
        landmarks=config["landmarks"],
        core=core_digest("measure_animation"),
    script:
        "../workflow_scripts/measure_animation.py"


rule paste_back:
    """Put one animated face of a photo, or all of them, back into it."""
    input:
        photo=image_of,
        alignments=alignments_of_pasted,
        landmarks=landmarks_of_pasted,
        videos=videos_of_pasted,
        latents=latents_of_pasted,
    output:
        video="results/animations/{photo}--{clip}--{pasted}.mp4",
    log:
        "results/logs/paste_back/{photo}--{clip}--{pasted}.log",
    benchmark:
        "results/benchmarks/paste_back/{photo}--{clip}--{pasted}.tsv"
    priority: TOWARDS_VIDEO
    threads: 2
    resources:
        mem_mb=more(3000),
        runtime=more(60),
    params:
        paste_back=config["animations"]["paste_back"],
        surroundings=config["animations"]["surroundings"],
        crf=config["animations"]["crf"],
        core=core_digest("paste_back"),
    script:
        "../workflow_scripts/paste_back.py"


rule extract_frames:
    """Write the frames of an animation as pictures."""
    input:
        video="results/animations/{source}--{clip}.mp4",
    output:
        folder=directory("results/animations/{source}--{clip}--frames"),
    log:
        "results/logs/extract_frames/{source}--{clip}.log",
    benchmark:
        "results/benchmarks/extract_frames/{source}--{clip}.tsv"
    threads: 2
    resources:
        mem_mb=more(1000),
        runtime=more(30),
    params:
        core=core_digest("extract_frames"),
    script:
        "../workflow_scripts/extract_frames.py"
