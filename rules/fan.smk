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
    threads: 2
    resources:
        mem_mb=3500,
        runtime=120,
    params:
        fan=config["fan"],
        core=core_digest("train_fan"),
    script:
        "../workflow_scripts/train_fan.py"
