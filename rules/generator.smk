"""The generator in the form that all stages load, and its cheap drafts.

In: a checkpoint, or the files of MobileStyleGAN. Out: a StyleGAN2 as safetensors, and the readout that turns
a hidden map into a draft where the generator draws none by itself.
"""


rule convert_generator:
    """Read a StyleGAN2 checkpoint of any kind without running what it holds, and keep the weights."""
    input:
        checkpoint=ancient(ORIGIN.source),
    output:
        model="results/generator/{generator}.safetensors",
    log:
        "results/logs/convert_generator/{generator}.log",
    benchmark:
        "results/benchmarks/convert_generator/{generator}.tsv"
    retries: 0  # what it refuses, it refuses again
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(10),
    params:
        name=ORIGIN.name,
        generator_sha256=ORIGIN.sha256,
        core=core_digest("convert_generator"),
    script:
        "../workflow_scripts/convert_generator.py"


rule fit_draft:
    """Fit the linear readout of drafts on a few full renders, where there must be one."""
    input:
        generator=GENERATOR,
    output:
        draft=directory(TRAINED_DRAFT),
    log:
        "results/logs/fit_draft.log",
    benchmark:
        "results/benchmarks/fit_draft.tsv"
    priority: TOWARDS_FAN
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(30),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        core=core_digest("fit_draft"),
    script:
        "../workflow_scripts/fit_draft.py"
