"""Let one source move like one clip."""

from d2a_core import animations, fan, generator, io, landmarks, rendering, runtime, video


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, hardware = snakemake.input, runtime.hardware(snakemake)
    options = animations.Options(**snakemake.params.animations)
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
    code = io.read_zarr(inputs.code, ["wplus"])["wplus"]
    source, driver = (io.read_parquet(table) for table in (inputs.landmarks, inputs.driving))
    rate = video.probe(inputs.video).rate
    path = animations.follow(stage, code, source, driver, options, rate_hz=float(rate), log=log)
    facts = io.provenance(
        stage="animations",
        options=options,
        rate=str(rate),
        fan_sha256=io.sha256(inputs.fan),
        generator=settings.name,
        generator_sha256=io.sha256(inputs.generator),
    )
    io.write_zarr(snakemake.output.latents, animations.arrays(path), attributes=facts)
    video.write_frames(
        rendering.frames(stage.generator, path.wplus, path.delta),
        snakemake.output.video,
        rate=rate,
        crf=options.crf,
        metadata=video.provenance(facts),
        progress=runtime.Progress(log, "animations", len(path.delta), unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)
