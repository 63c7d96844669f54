"""Driving clips: any video, or one that the project performs itself, as landmarks per frame."""


rule perform_driver:
    """Render another face that turns, blinks, speaks and smiles, as an ordinary mp4."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
    output:
        video="results/driving/{performance}.mp4",
    log:
        "results/logs/perform_driver/{performance}.log",
    benchmark:
        "results/benchmarks/perform_driver/{performance}.tsv"
    priority: TOWARDS_VIDEO
    threads: 2
    resources:
        mem_mb=more(3500),
        runtime=more(30),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        performance=performance_of,
        steps=config["driving"]["performance_steps"],
        loss=STEPS_LOSS,
        core=core_digest("perform_driver"),
    script:
        "../workflow_scripts/perform_driver.py"


rule track_driving:
    """Detect the landmarks of every frame of a clip, in the layout of aligned FFHQ faces."""
    input:
        video=tracked_video_of,
        models=FACE_MODELS,
        identity=IDENTITY,
        reference=REFERENCE,
    output:
        table="results/driving/{tracked}.parquet",
    log:
        "results/logs/track_driving/{tracked}.log",
    benchmark:
        "results/benchmarks/track_driving/{tracked}.tsv"
    priority: TOWARDS_VIDEO
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(60),
    params:
        landmarks=config["landmarks"],
        smoothing_hz=config["driving"]["smoothing_hz"],
        face=driving_face_of,
        core=core_digest("track_driving"),
    script:
        "../workflow_scripts/track_driving.py"


rule import_driving:
    """Take a landmark table for a clip: check it, and draw it where the clip would be seen."""
    input:
        table=table_of,
        reference=REFERENCE,
    output:
        table="results/driving/{table}.parquet",
        video="results/driving/{table}.mp4",
    log:
        "results/logs/import_driving/{table}.log",
    benchmark:
        "results/benchmarks/import_driving/{table}.tsv"
    retries: 0  # what it refuses, it refuses again
    threads: 2
    resources:
        mem_mb=more(2000),
        runtime=more(30),
    params:
        size=config["animations"]["comparison"]["height"],
        core=core_digest("import_driving"),
    script:
        "../workflow_scripts/import_driving.py"


rule combine_driving:
    """Make one driver of several clips, each of which moves parts of it."""
    input:
        tables=tables_of_parts,
        videos=videos_of_parts,
    output:
        table="results/driving/{combination}.parquet",
        video="results/driving/{combination}.mp4",
    log:
        "results/logs/combine_driving/{combination}.log",
    benchmark:
        "results/benchmarks/combine_driving/{combination}.tsv"
    threads: 2
    resources:
        mem_mb=more(3000),
        runtime=more(30),
    params:
        parts=parts_of,
        height=config["animations"]["comparison"]["height"],
        core=core_digest("combine_driving"),
    script:
        "../workflow_scripts/combine_driving.py"
