"""Let one source move like one clip."""

from d2a_core import animations, closed_loop, hfgi, io, rendering, runtime, video


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    options = animations.Options(**snakemake.params.animations)
    models = snakemake.params.generator, snakemake.params.landmarks
    stage = closed_loop.load_stage(*models, inputs, **runtime.engine(snakemake))
    code = io.read_zarr(inputs.code, ["wplus"])["wplus"]
    source, driver = (io.read_parquet(table) for table in (inputs.landmarks, inputs.driving))
    rate = video.probe(inputs.video).rate
    path = animations.follow(stage, code, source, driver, options, rate_hz=float(rate), log=log)
    path, clock = animations.retimed(path, driver, options, rate)
    photo, limit = io.read_image(inputs.image), snakemake.params.yaw_limit_deg
    still = hfgi.consultant(stage.generator, inputs.consultation, photo, code, yaw_limit_deg=limit)
    facts = io.provenance(
        stage="animations",
        options=options,
        rate=str(clock.rate),
        fan_sha256=list(map(io.sha256, inputs.fan)),
        **stage.generator.identity.facts,
    )
    io.write_zarr(snakemake.output.latents, animations.arrays(path, clock), attributes=facts)
    video.write_frames(
        rendering.frames(
            stage.generator, path.wplus, path.delta, still.along(animations.yaw_from(source, path))
        ),
        snakemake.output.video,
        rate=clock.rate,
        audio=inputs.video,
        slow_motion=options.slow_motion,
        crf=options.crf,
        metadata=video.provenance(facts),
        progress=runtime.Progress(log, "animations", len(path.delta), unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)
