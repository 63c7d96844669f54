"""Footage: a video of a face as a path of codes, so that it can be edited (paper, section 5, video editing)."""


rule invert_cast:
    """Say who is seen in which frames of a clip, and find a code for everybody but the first."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        encoder=STARTS,
        code="results/sources/{footage}-first-frame/inversion.zarr",
        landmarks="results/sources/{footage}-first-frame/landmarks.parquet",
        driving="results/driving/{footage}.parquet",
        video=clip_of_footage,
    output:
        cast=directory("results/footage/{footage}.cast.zarr"),
    log:
        "results/logs/invert_cast/{footage}.log",
    benchmark:
        "results/benchmarks/invert_cast/{footage}.tsv"
    priority: TOWARDS_VIDEO
    threads: 2
    resources:
        mem_mb=more(6000),
        runtime=more(120),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        inversion=config["inversion"],
        core=core_digest("invert_cast"),
    script:
        "../workflow_scripts/invert_cast.py"


rule invert_footage:
    """Find the code of every frame of a clip that shows a face, with the help of its neighbours."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        directions=DIRECTIONS,
        fan=FAN,
        tuning=["results/sources/{footage}-first-frame/tuning.pt"],
        code="results/footage/{footage}.cast.zarr",
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


rule animate_footage:
    """Let the people of a video move like a clip, in the video itself."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
        fan=FAN,
        tuning=["results/sources/{footage}-first-frame/tuning.pt"],
        code="results/footage/{footage}.cast.zarr",
        shown="results/driving/{footage}.parquet",
        driving="results/driving/{clip}.parquet",
        video=clip_of_footage,
        driver=video_of,
    output:
        video="results/footage/{footage}--{clip}.mp4",
        latents=directory("results/footage/{footage}--{clip}.latents.zarr"),
    log:
        "results/logs/animate_footage/{footage}--{clip}.log",
    benchmark:
        "results/benchmarks/animate_footage/{footage}--{clip}.tsv"
    priority: TOWARDS_VIDEO
    threads: 2
    resources:
        mem_mb=more(6000),
        runtime=more(120),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        animations=without(config["animations"], "comparison", "paste_back"),
        parts=moved_parts,
        loss=STEPS_LOSS,
        core=core_digest("animate_footage"),
    script:
        "../workflow_scripts/animate_footage.py"


rule compare_footage:
    """Put footage, driver and result beside one another."""
    input:
        footage=clip_of_footage,
        driver=video_of,
        video="results/footage/{footage}--{clip}.mp4",
        latents="results/footage/{footage}--{clip}.latents.zarr",
    output:
        side_by_side="results/footage/{footage}--{clip}--side-by-side.mp4",
        sheet=report(
            "results/footage/{footage}--{clip}.sheet.png",
            category="Footage",
            labels={"footage": "{footage}", "clip": "{clip}"},
        ),
    log:
        "results/logs/compare_footage/{footage}--{clip}.log",
    benchmark:
        "results/benchmarks/compare_footage/{footage}--{clip}.tsv"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(30),
    params:
        comparison=config["animations"]["comparison"],
        crf=config["animations"]["crf"],
        core=core_digest("compare_footage"),
    script:
        "../workflow_scripts/compare_footage.py"


rule measure_footage:
    """Measure how well the face in a video follows a clip, and whether it flickers more than its footage."""
    input:
        models=FACE_MODELS,
        identity=IDENTITY,
        code="results/footage/{footage}.cast.zarr",
        landmarks="results/driving/{footage}.parquet",
        driving="results/driving/{clip}.parquet",
        footage=clip_of_footage,
        driver=seen_of,
        tracks=tracks_of_seen,
        reference=REFERENCE,
        video="results/footage/{footage}--{clip}.mp4",
        latents="results/footage/{footage}--{clip}.latents.zarr",
    output:
        figures="results/footage/{footage}--{clip}.figures.parquet",
    log:
        "results/logs/measure_footage/{footage}--{clip}.log",
    benchmark:
        "results/benchmarks/measure_footage/{footage}--{clip}.tsv"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(30),
    params:
        landmarks=config["landmarks"],
        core=core_digest("measure_footage"),
    script:
        "../workflow_scripts/measure_footage.py"
