"""The generator's cheap drafts.

In: the generator's files. Out: the readout that turns a hidden map into a 256 px draft.
"""


rule fit_draft:
    """Fit the linear readout of drafts on a few full renders."""
    input:
        generator=GENERATOR,
    output:
        draft=directory("results/generator/draft.zarr"),
    log:
        "results/logs/fit_draft.log",
    benchmark:
        "results/benchmarks/fit_draft.tsv"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        generator=config["generator"],
        core=core_digest("fit_draft"),
    script:
        "../workflow_scripts/fit_draft.py"
