"""Evaluation: figures of every method, ours too, from the pictures that lie in its folder."""


localrules:
    fetch_inception,  # computing nodes have no network


rule score_frames:
    """Score the pictures of one method, pair by pair."""
    input:
        pairs="results/evaluation/pairs.parquet",
        models=FACE_MODELS,
        identity=IDENTITY,
        faces=FACE_TABLES,
        pictures=FACE_FOLDERS,
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
    threads: 1
    resources:
        mem_mb=more(2500),
        runtime=more(120),
    params:
        landmarks=config["landmarks"],
        method="{scored}",
        methods=methods_of,
        protocols=protocols_of,
        passes=passes_of,
        frames=PROTOCOLS["frames"],
        identity=config["evaluation"]["identity"],
        core=core_digest("score_frames"),
    script:
        "../workflow_scripts/score_frames.py"


rule evaluate_first_pairs:
    """Draw, animate and score the first held-out pairs: a quick look in one job."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
        fan=FAN,
        latents=SEEN,
    output:
        text=report(
            "results/evaluation/first-pairs.md",
            category="Evaluation",
            labels={"figure": "table of the first pairs"},
        ),
        sheet=report(
            "results/evaluation/first-pairs.png",
            category="Evaluation",
            labels={"figure": "first pairs"},
        ),
    log:
        "results/logs/evaluate_first_pairs.log",
    benchmark:
        "results/benchmarks/evaluate_first_pairs.tsv"
    threads: 1
    resources:
        mem_mb=more(3500),
        runtime=more(30),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        pairs=FIRST_PAIRS,
        whole=PROTOCOLS["pairs"],
        seed=PROTOCOLS["seed"],
        passes=config["evaluation"]["passes"],
        identity=config["evaluation"]["identity"],
        core=core_digest("evaluate_first_pairs"),
    script:
        "../workflow_scripts/evaluate_first_pairs.py"


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
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(120),
    params:
        method="{scored}",
        methods=methods_of,
        protocols=protocols_of,
        passes=passes_of,
        frames=PROTOCOLS["frames"],
        core=core_digest("measure_realism"),
    script:
        "../workflow_scripts/measure_realism.py"


rule measure_disentanglement:
    """Drive head and face apart, and measure how much of each moves with the other (Figure 10)."""
    input:
        generator=GENERATOR,
        draft=TRAINED_DRAFT,
        models=FACE_MODELS,
        directions=TRAINED_DIRECTIONS,
        fan="results/fan/all/base.pt",
        groups=["results/fan/pose/base.pt", "results/fan/expression/base.pt"],
        identity=IDENTITY,
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
        loss=STEPS_LOSS if config["animations"]["refinements"] else None,
        clips=SINGLE_CLIPS,
        core=core_digest("measure_disentanglement"),
    script:
        "../workflow_scripts/measure_disentanglement.py"
