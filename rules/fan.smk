"""AugDistiller, step 2: the facial action network (equations 3 to 5)."""


rule train_fan:
    """Train FAN on all pairs of a group; a killed run goes on where it stopped."""
    input:
        directions=DIRECTIONS,
        pairs=expand("results/pairs/{{group}}/{shard}.zarr", shard=PAIR_SHARDS),
    output:
        checkpoint="results/fan/{group}/base.pt",
        history="results/fan/{group}/base.history.parquet",
        curve=report(
            "results/fan/{group}/base.loss.png",
            category="Training",
            labels={"group": "{group}", "figure": "loss"},
        ),
    log:
        "results/logs/train_fan/{group}.log",
    benchmark:
        "results/benchmarks/train_fan/{group}.tsv"
    priority: TOWARDS_FAN
    threads: 1
    resources:
        mem_mb=more(3500),
        runtime=more(120),
    params:
        fan=without(config["fan"], "finetune", "groups"),
        core=core_digest("train_fan"),
    script:
        "../workflow_scripts/train_fan.py"


rule finetune_fan:
    """Continue the FAN of a group with one source's code fixed, and measure what that brought."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
        fan="results/fan/{group}/base.pt",
        tuning=tuning_of,
        code="results/sources/{source}/inversion.zarr",
        landmarks="results/sources/{source}/landmarks.parquet",
    output:
        checkpoint="results/fan/{group}/{source}.pt",
        history="results/fan/{group}/{source}.history.parquet",
        comparison="results/fan/{group}/{source}.comparison.parquet",
        curve=report(
            "results/fan/{group}/{source}.loss.png",
            category="Training",
            labels={"group": "{group}", "figure": "fine-tuning of {source}"},
        ),
    log:
        "results/logs/finetune_fan/{group}-{source}.log",
    benchmark:
        "results/benchmarks/finetune_fan/{group}-{source}.tsv"
    priority: TOWARDS_VIDEO
    threads: 2
    resources:
        mem_mb=more(3500),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        fan=without(config["fan"], "finetune", "groups"),
        finetune=config["fan"]["finetune"],
        core=core_digest("finetune_fan"),
    script:
        "../workflow_scripts/finetune_fan.py"
