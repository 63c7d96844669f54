"""Evaluation (paper, section 4): protocols, held-out faces, results, scores and tables.

Every method, ours too, is scored on the pictures that lie in its folder.
"""


localrules:
    draw_pairs,
    fetch_inception,  # computing nodes have no network
    summarize_evaluation,
    summarize_ablations,
    show_pairs,
    hold_out_source,
    take_first_frame,
    collect_videos,
    write_report,


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
        latents=LATENT_STORES,
    output:
        images=directory("results/evaluation/faces/held-out"),
        faces="results/evaluation/faces/held-out.parquet",
        codes=directory("results/evaluation/faces/held-out.zarr"),
    log:
        "results/logs/hold_out_faces.log",
    benchmark:
        "results/benchmarks/hold_out_faces.tsv"
    threads: 2
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
        landmarks=LANDMARK_TABLES,
        sources=aligned_of,
        codes=codes_of,
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
        landmarks=LANDMARK_TABLES,
    output:
        images=directory("results/evaluation/faces/{target_clip}"),
        faces="results/evaluation/faces/{target_clip}.parquet",
    log:
        "results/logs/take_frames/{target_clip}.log",
    benchmark:
        "results/benchmarks/take_frames/{target_clip}.tsv"
    threads: 2
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


rule animate_pairs:
    """Let the sources of all pairs take on the faces of their targets, after each closed-loop pass."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        directions=directions_of,
        fan=first_fan_of,
        others=other_fans_of,
        pairs="results/evaluation/pairs.parquet",
        faces=FACE_TABLES,
        codes=FACE_CODES,
    output:
        frames=directory("results/evaluation/frames/{method}"),
        steps="results/evaluation/steps/{method}.parquet",
    log:
        "results/logs/animate_pairs/{method}.log",
    benchmark:
        "results/benchmarks/animate_pairs/{method}.tsv"
    threads: 2
    resources:
        mem_mb=more(3500),
        runtime=more(240),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        method="{method}",
        protocols=protocols_of,
        passes=last_pass_of,
        sets=list(SET_SIZES),
        core=core_digest("animate_pairs"),
    script:
        "../workflow_scripts/animate_pairs.py"


rule measure_disentanglement:
    """Drive head and face apart, and measure how much of each moves with the other (Figure 10)."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        directions=DIRECTIONS,
        fan="results/fan/all/base.pt",
        groups=["results/fan/pose/base.pt", "results/fan/expression/base.pt"],
        controls=["results/controls/controls.zarr"],
        faces=f"results/evaluation/faces/{protocols.HELD_OUT}.parquet",
        codes=f"results/evaluation/faces/{protocols.HELD_OUT}.zarr",
        clips=expand("results/driving/{clip}.parquet", clip=SINGLE_CLIPS),
    output:
        table="results/evaluation/disentanglement.parquet",
        text=report(
            "results/evaluation/disentanglement.md",
            category="Evaluation",
            labels={"figure": "disentanglement"},
        ),
    log:
        "results/logs/measure_disentanglement.log",
    benchmark:
        "results/benchmarks/measure_disentanglement.tsv"
    threads: 2
    resources:
        mem_mb=more(3500),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        disentanglement=config["evaluation"]["disentanglement"],
        animations=without(config["animations"], "comparison", "paste_back"),
        clips=SINGLE_CLIPS,
        core=core_digest("measure_disentanglement"),
    script:
        "../workflow_scripts/measure_disentanglement.py"


rule make_control:
    """Write what a wrong method would return: the source, the target, or noise."""
    input:
        pairs="results/evaluation/pairs.parquet",
        faces=FACE_FOLDERS,
    output:
        frames=directory("results/evaluation/frames/control-{control}"),
    log:
        "results/logs/make_control/{control}.log",
    benchmark:
        "results/benchmarks/make_control/{control}.tsv"
    group:
        "controls"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(30),
    params:
        kind="{control}",
        core=core_digest("make_control"),
    script:
        "../workflow_scripts/make_control.py"


rule score_frames:
    """Score the pictures of one method, pair by pair."""
    input:
        pairs="results/evaluation/pairs.parquet",
        models=FACE_MODELS,
        identity=IDENTITY,
        faces=FACE_TABLES,
        truths=FACE_FOLDERS,
        frames=frames_of,
        steps=steps_of,
    output:
        scores="results/evaluation/scores/{scored}.parquet",
    log:
        "results/logs/score_frames/{scored}.log",
    benchmark:
        "results/benchmarks/score_frames/{scored}.tsv"
    group:
        "scores"
    threads: 2
    resources:
        mem_mb=more(2500),
        runtime=more(120),
    params:
        landmarks=config["landmarks"],
        method="{scored}",
        protocols=protocols_of,
        passes=passes_of,
        frames=PROTOCOLS["frames"],
        identity=config["evaluation"]["identity"],
        core=core_digest("score_frames"),
    script:
        "../workflow_scripts/score_frames.py"


rule fetch_inception:
    """Fetch the Inception weights, or note why there are none; only FID, KID and IS depend on them."""
    output:
        record="results/evaluation/inception.json",
    log:
        "results/logs/fetch_inception.log",
    benchmark:
        "results/benchmarks/fetch_inception.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(30),
    params:
        inception=config["evaluation"]["inception"],
        core=core_digest("fetch_inception"),
    script:
        "../workflow_scripts/fetch_inception.py"


rule measure_realism:
    """Measure how real the pictures of one method look as a set, where there are Inception weights."""
    input:
        pairs="results/evaluation/pairs.parquet",
        inception="results/evaluation/inception.json",
        faces=FACE_FOLDERS,
        frames=frames_of,
    output:
        realism="results/evaluation/realism/{scored}.parquet",
    log:
        "results/logs/measure_realism/{scored}.log",
    benchmark:
        "results/benchmarks/measure_realism/{scored}.tsv"
    group:
        "realism"
    threads: 2
    resources:
        mem_mb=more(3000),
        runtime=more(120),
    params:
        method="{scored}",
        protocols=protocols_of,
        passes=passes_of,
        frames=PROTOCOLS["frames"],
        core=core_digest("measure_realism"),
    script:
        "../workflow_scripts/measure_realism.py"


rule summarize_evaluation:
    """One row for each method, protocol and data set, with intervals: the paper's Table 1."""
    input:
        scores=expand("results/evaluation/scores/{scored}.parquet", scored=TABLE_1),
        realism=expand("results/evaluation/realism/{scored}.parquet", scored=TABLE_1),
        faces=FACE_TABLES,
    output:
        table="results/evaluation/table.parquet",
        text=report(
            "results/evaluation/table.md",
            category="Evaluation",
            labels={"figure": "table"},
        ),
    log:
        "results/logs/summarize_evaluation.log",
    benchmark:
        "results/benchmarks/summarize_evaluation.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(5),
    params:
        core=core_digest("summarize_evaluation"),
    script:
        "../workflow_scripts/summarize_evaluation.py"


rule summarize_ablations:
    """Ablations and fine-tuning beside the main method, pair by pair: the paper's Table 2."""
    input:
        mains=expand("results/evaluation/scores/{scored}.parquet", scored=MAINS),
        scores=expand("results/evaluation/scores/{scored}.parquet", scored=TABLE_2),
    output:
        table="results/evaluation/ablations.parquet",
        text=report(
            "results/evaluation/ablations.md",
            category="Evaluation",
            labels={"figure": "ablations"},
        ),
    log:
        "results/logs/summarize_ablations.log",
    benchmark:
        "results/benchmarks/summarize_ablations.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(5),
    params:
        trained=TRAINED,
        core=core_digest("summarize_ablations"),
    script:
        "../workflow_scripts/summarize_ablations.py"


rule show_pairs:
    """Show the first held-out pairs beside what became of them."""
    input:
        pairs="results/evaluation/pairs.parquet",
        faces=FACE_FOLDERS,
        frames="results/evaluation/frames/d2animator",
    output:
        sheet=report(
            "results/evaluation/pairs.png",
            category="Evaluation",
            labels={"figure": "held-out pairs"},
        ),
    log:
        "results/logs/show_pairs.log",
    benchmark:
        "results/benchmarks/show_pairs.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(5),
    params:
        passes=config["evaluation"]["passes"],
        frames=PROTOCOLS["frames"],
        core=core_digest("show_pairs"),
    script:
        "../workflow_scripts/show_pairs.py"


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


rule take_first_frame:
    """Take the first frame of a clip as a photo, which the clip will drive."""
    input:
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


rule collect_videos:
    """Figures over time of all videos: first frames behind their clips, and the configured animations."""
    input:
        figures=[f"results/animations/{video}.figures.parquet" for video in MEASURED],
    output:
        table="results/evaluation/videos.parquet",
    log:
        "results/logs/collect_videos.log",
    benchmark:
        "results/benchmarks/collect_videos.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(5),
    params:
        kinds=list(MEASURED.values()),
        core=core_digest("collect_videos"),
    script:
        "../workflow_scripts/collect_videos.py"


rule write_report:
    """Tables, charts and pictures of the evaluation on one page that needs no network."""
    input:
        table="results/evaluation/table.parquet",
        pairs="results/evaluation/pairs.parquet",
        scores="results/evaluation/scores/d2animator.parquet",
        faces=FACE_FOLDERS,
        frames="results/evaluation/frames/d2animator",
        ablations=["results/evaluation/ablations.parquet"],  # this and the next may be empty
        videos=["results/evaluation/videos.parquet"],
        gallery=["results/directions/gallery.png"],
        sheets=[f"results/animations/{video}.sheet.png" for video in MEASURED],
    output:
        report=report(
            "results/evaluation/report.html",
            category="Evaluation",
            labels={"figure": "report"},
        ),
    log:
        "results/logs/write_report.log",
    benchmark:
        "results/benchmarks/write_report.tsv"
    threads: 1
    resources:
        mem_mb=more(1500),
        runtime=more(5),
    params:
        core=core_digest("write_report"),
    script:
        "../workflow_scripts/write_report.py"
