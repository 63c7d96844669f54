"""Evaluation: what each method makes of the pairs, as a folder of pictures."""


rule animate_pairs:
    """Let the sources of all pairs take on the faces of their targets, after each closed-loop pass."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=followed_of,
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
        refinements=refinements_of,
        loss=loss_of,
        sets=list(SET_SIZES),
        core=core_digest("animate_pairs"),
    script:
        "../workflow_scripts/animate_pairs.py"


rule make_baselines:
    """Write what wrong methods would return: the source, the target, or noise."""
    input:
        pairs="results/evaluation/pairs.parquet",
        faces=FACE_FOLDERS,
    output:
        frames=directory(BASELINE_FOLDERS),
    log:
        "results/logs/make_baselines.log",
    benchmark:
        "results/benchmarks/make_baselines.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(60),
    params:
        methods=BASELINES,
        protocols=[protocols.CROSS],
        core=core_digest("make_baselines"),
    script:
        "../workflow_scripts/make_baselines.py"
