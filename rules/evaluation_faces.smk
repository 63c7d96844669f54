"""Evaluation (paper, section 4): pairs, and the faces that are driven and that drive."""


localrules:
    draw_pairs,
    take_first_frame,
    hold_out_source,


rule draw_pairs:
    """Draw the pairs of all protocols, on which every method is scored."""
    output:
        pairs="results/evaluation/pairs.parquet",
    log:
        "results/logs/draw_pairs.log",
    benchmark:
        "results/benchmarks/draw_pairs.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(5),
    params:
        protocols=PROTOCOLS,
        sizes=SET_SIZES,
        clips=list(TARGET_CLIPS),
        core=core_digest("draw_pairs"),
    script:
        "../workflow_scripts/draw_pairs.py"


rule hold_out_faces:
    """Draw and render faces that no training stage has seen: sources, targets, augmentations, references."""
    input:
        generator=GENERATOR,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
        latents=SEEN,
    output:
        images=directory("results/evaluation/faces/held-out"),
        faces="results/evaluation/faces/held-out.parquet",
        codes=directory("results/evaluation/faces/held-out.zarr"),
    log:
        "results/logs/hold_out_faces.log",
    benchmark:
        "results/benchmarks/hold_out_faces.tsv"
    threads: 1
    resources:
        mem_mb=more(3500),
        runtime=more(120),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        protocols=PROTOCOLS,
        identity=config["evaluation"]["identity"],
        core=core_digest("hold_out_faces"),
    script:
        "../workflow_scripts/hold_out_faces.py"


rule gather_faces:
    """Align and measure the photos of a user's data set; the sources among them are inverted as any photo is."""
    input:
        models=FACE_MODELS,
        identity=IDENTITY,
        reference=REFERENCE,
        sources=sources_of("aligned.png"),
        codes=sources_of("inversion.zarr"),
        others=others_of,
    output:
        images=directory("results/evaluation/faces/{photo_set}"),
        faces="results/evaluation/faces/{photo_set}.parquet",
        codes=directory("results/evaluation/faces/{photo_set}.zarr"),
    log:
        "results/logs/gather_faces/{photo_set}.log",
    benchmark:
        "results/benchmarks/gather_faces/{photo_set}.tsv"
    threads: 2
    resources:
        mem_mb=more(3500),
        runtime=more(120),
    params:
        landmarks=config["landmarks"],
        sources=source_names_of,
        others=other_names_of,
        identity=config["evaluation"]["identity"],
        core=core_digest("gather_faces"),
    script:
        "../workflow_scripts/gather_faces.py"


rule take_frames:
    """Take the frames of a clip that drive in the evaluation, aligned as photos are."""
    input:
        video=target_clip_of,
        models=FACE_MODELS,
        identity=IDENTITY,
        reference=REFERENCE,
    output:
        images=directory("results/evaluation/faces/{target_clip}"),
        faces="results/evaluation/faces/{target_clip}.parquet",
    log:
        "results/logs/take_frames/{target_clip}.log",
    benchmark:
        "results/benchmarks/take_frames/{target_clip}.tsv"
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(30),
    params:
        landmarks=config["landmarks"],
        frames=PROTOCOLS["frames"],
        identity=config["evaluation"]["identity"],
        core=core_digest("take_frames"),
    script:
        "../workflow_scripts/take_frames.py"


rule take_first_frame:
    """Take the first frame of a clip that shows its face well as a photo, which the clip will drive."""
    input:
        driving="results/driving/{clip}.parquet",
        video=video_of,
    output:
        image="results/evaluation/first-frames/{clip}.png",
    log:
        "results/logs/take_first_frame/{clip}.log",
    benchmark:
        "results/benchmarks/take_first_frame/{clip}.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(5),
    params:
        core=core_digest("take_first_frame"),
    script:
        "../workflow_scripts/take_first_frame.py"


rule hold_out_source:
    """Give one held-out source a folder as sources have it, so that FAN can be fine-tuned on it."""
    input:
        codes="results/evaluation/faces/held-out.zarr",
        faces="results/evaluation/faces/held-out.parquet",
    output:
        code=directory("results/sources/held-out-{face}/inversion.zarr"),
        landmarks="results/sources/held-out-{face}/landmarks.parquet",
    log:
        "results/logs/hold_out_source/{face}.log",
    benchmark:
        "results/benchmarks/hold_out_source/{face}.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(5),
    params:
        face="{face}",
        core=core_digest("hold_out_source"),
    script:
        "../workflow_scripts/hold_out_source.py"
