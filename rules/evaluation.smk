"""Cross-identity evaluation on faces that no training stage has seen (paper, section 4.1)."""


rule evaluate_cross_identity:
    """Drive held-out sources by held-out targets; landmark error and identity of each pass."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
        fan="results/fan/all/base.pt",
    output:
        table="results/evaluation/pairs.parquet",
        sheet=report(
            "results/evaluation/pairs.png",
            category="Evaluation",
            labels={"figure": "held-out pairs"},
        ),
    log:
        "results/logs/evaluate_cross_identity.log",
    benchmark:
        "results/benchmarks/evaluate_cross_identity.tsv"
    threads: 2
    resources:
        mem_mb=3500,
        runtime=60,
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        evaluation=without(config["evaluation"], "scaling", "ablations"),
        core=core_digest("evaluate_cross_identity"),
    script:
        "../workflow_scripts/evaluate_cross_identity.py"


rule summarize_evaluation:
    """Mean error and identity of each pass, beside the floor and the value between strangers."""
    input:
        table="results/evaluation/pairs.parquet",
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
        mem_mb=1000,
        runtime=5,
    params:
        core=core_digest("summarize_evaluation"),
    script:
        "../workflow_scripts/summarize_evaluation.py"
