"""Drive held-out faces by held-out faces and measure every pass."""

from d2a_core import animations, evaluation, fan, generator, identity, io, landmarks, runtime


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, hardware = snakemake.input, runtime.hardware(snakemake)
    options = evaluation.Options(**snakemake.params.evaluation)
    settings = generator.Options(**snakemake.params.generator)
    detection = landmarks.Options(**snakemake.params.landmarks)
    draft = io.read_zarr(inputs.draft)
    stage = animations.Stage(
        generator.load(settings, inputs.generator, draft=draft, **hardware),
        landmarks.load_detector(detection, inputs.models, **hardware),
        fan.load(io.read_checkpoint(inputs.fan), device=hardware["device"]),
        radius=float(io.read_zarr(inputs.directions, ["radius"])["radius"][0]),
        size=settings.draft_size,
    )
    progress = runtime.Progress(log, "evaluation", options.renders)
    embedder = identity.Embedder(inputs.identity)
    held = evaluation.hold_out(stage, embedder, options, progress)
    columns, sheet = evaluation.cross_identity(stage, held, embedder, options, progress)
    facts = io.provenance(
        stage="evaluation",
        options=options,
        detector=detection,
        identity="dlib ResNet, 128-d",
        generator_sha256=io.sha256(inputs.generator),
        fan_sha256=io.sha256(inputs.fan),
    )
    io.write_parquet(columns, snakemake.output.table, metadata=facts)
    io.write_image(sheet, snakemake.output.sheet)


if __name__ == "__main__":
    main(snakemake)
