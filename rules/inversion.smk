"""Networks of the inversion, trained only when `inversion.method` asks for them.

In: sampled faces. Out: the encoder, and the consultation networks of HFGI.
"""


rule train_encoder:
    """Train the encoder on all sampled faces; a killed run goes on where it stopped."""
    input:
        models=FACE_MODELS,
        latents=LATENT_STORES,
    output:
        checkpoint=TRAINED_ENCODER,
        history="results/inversion/encoder.history.parquet",
        curve=report(
            "results/inversion/encoder.loss.png",
            category="Training",
            labels={"group": "encoder", "figure": "loss"},
        ),
    log:
        "results/logs/train_encoder.log",
    benchmark:
        "results/benchmarks/train_encoder.tsv"
    threads: 2
    resources:
        mem_mb=more(5000),
        runtime=more(60),
    params:
        encoder=config["encoder"],
        core=core_digest("train_encoder"),
    script:
        "../workflow_scripts/train_encoder.py"


rule train_hfgi:
    """Train alignment and consultation on faces that the encoder has not seen."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        encoder=ENCODER,
    output:
        checkpoint="results/inversion/hfgi.pt",
        history="results/inversion/hfgi.history.parquet",
        curve=report(
            "results/inversion/hfgi.loss.png",
            category="Training",
            labels={"group": "hfgi", "figure": "loss"},
        ),
    log:
        "results/logs/train_hfgi.log",
    benchmark:
        "results/benchmarks/train_hfgi.tsv"
    threads: 2
    resources:
        mem_mb=more(4000),
        runtime=more(120),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        hfgi=config["hfgi"],
        core=core_digest("train_hfgi"),
    script:
        "../workflow_scripts/train_hfgi.py"
