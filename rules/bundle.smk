"""The bundle: all that is trained above, in one file, so that a newcomer need not train it."""


rule pack_bundle:
    """Pack readout, reference, directions, FAN and encoder into one small file."""
    input:
        draft=TRAINED_DRAFT,
        reference=TRAINED_REFERENCE,
        directions=TRAINED_DIRECTIONS,
        catalogue="results/directions/catalogue.parquet",
        fan="results/fan/all/base.pt",
        encoder=TRAINED_ENCODER,
    output:
        bundle=PACKED,
        defaults=f"results/bundle/{ORIGIN.name}.json",
    log:
        "results/logs/pack_bundle.log",
    benchmark:
        "results/benchmarks/pack_bundle.tsv"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(10),
    params:
        config={section: config[section] for section in SHAPING},
        defaults=packed_defaults,
        core=core_digest("pack_bundle"),
    script:
        "../workflow_scripts/pack_bundle.py"


rule unpack_bundle:
    """Unpack a bundle that was trained before."""
    input:
        bundle=BUNDLE,
    output:
        draft=directory("results/bundle/generator/draft.zarr"),
        reference=directory("results/bundle/landmarks/reference.zarr"),
        directions=directory("results/bundle/directions/directions.zarr"),
        catalogue="results/bundle/directions/catalogue.parquet",
        fan="results/bundle/fan/all/base.pt",
        encoder="results/bundle/inversion/encoder.pt",
    log:
        "results/logs/unpack_bundle.log",
    benchmark:
        "results/benchmarks/unpack_bundle.tsv"
    priority: TOWARDS_FAN
    retries: 0  # what it refuses, it refuses again
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(10),
    params:
        sha256=WEIGHTS.sha256,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        core=core_digest("unpack_bundle"),
    script:
        "../workflow_scripts/unpack_bundle.py"
