"""Drive held-out faces by held-out faces and measure every pass."""

from d2a_core import animations, evaluation, identity, io, runtime


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    options = evaluation.Options(**snakemake.params.evaluation)
    models = snakemake.params.generator, snakemake.params.landmarks
    stage = animations.load_stage(*models, inputs, **runtime.engine(snakemake))
    progress = runtime.Progress(log, "evaluation", options.renders)
    embedder = identity.Embedder(inputs.identity)
    held = evaluation.hold_out(stage, embedder, options, progress)
    columns, sheet = evaluation.cross_identity(stage, held, embedder, options, progress)
    facts = io.provenance(
        stage="evaluation",
        options=options,
        landmarks=snakemake.params.landmarks,
        identity="dlib ResNet, 128-d",
        fan_sha256=io.sha256(inputs.fan),
        **stage.generator.identity.facts,
    )
    io.write_parquet(columns, snakemake.output.table, metadata=facts)
    io.write_image(sheet, snakemake.output.sheet)


if __name__ == "__main__":
    main(snakemake)
