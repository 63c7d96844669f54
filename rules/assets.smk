"""Model files: fetched once, checked against their hash, kept by `make clean`."""


localrules:
    fetch_asset,  # computing nodes have no network


rule fetch_asset:
    """Fetch and check the files of one pretrained model."""
    output:
        folder=directory("data/assets/{asset}"),
    log:
        "results/logs/fetch_asset/{asset}.log",
    benchmark:
        "results/benchmarks/fetch_asset/{asset}.tsv"
    threads: 1
    resources:
        mem_mb=more(1000),
        runtime=more(30),
    params:
        asset=asset_of,
    script:
        "../workflow_scripts/fetch_asset.py"
