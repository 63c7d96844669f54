"""Evaluation: the paper's tables, pictures of pairs, and a page to read."""


localrules:
    summarize_evaluation,
    summarize_ablations,
    show_pairs,
    collect_videos,
    write_report,


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
        gallery=[GALLERY],
        sheets=[f"results/animations/{video}.sheet.png" for video in MEASURED],
        template=REPORT_TEMPLATE,
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
