"""Let the people of a video move like a clip, in the video itself."""

from d2a_core import runtime
from d2a_core.animation import animations, cast, footage_goals, omissions, retakes
from d2a_core.fan import closed_loop
from d2a_core.generator import rendering
from d2a_core.media import video_reading, video_writing
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, parts = snakemake.input, snakemake.params.parts
    options = animations.Options(**snakemake.params.animations)
    animator = closed_loop.of_job(snakemake)
    shown, driver = (tables.read_parquet(table) for table in (inputs.shown, inputs.driving))
    rate, driver_rate = (video_reading.probe(video).rate for video in (inputs.video, inputs.driver))
    rates = {"rate": rate, "driver_rate": driver_rate}
    take = footage_goals.take(shown, driver, options, parts, cast.read(inputs.code), **rates)
    log.info("footage frames=%d faces=%d of=%d", len(take.time_s), len(take.goal), len(shown))
    omissions.warn(take, log)
    delta = retakes.led(animator, take, options, log=log)
    facts = provenance.provenance(stage="footage", options=options, parts=parts, **animator.facts)
    arrays.write_zarr(snakemake.output.latents, retakes.as_arrays(take, delta), attributes=facts)
    video_writing.write_frames(
        retakes.retaken(
            animator,
            video_reading.read_frames(inputs.video),
            retakes.as_shown(animator, take),
            rendering.apply(take.people.faces()[0], delta),
            take,
            details=False,
        ),
        snakemake.output.video,
        rate=rate,
        audio=footage_goals.heard(inputs.video, inputs.driver, options, parts),
        crf=options.crf,
        metadata=video_writing.provenance(facts),
        progress=runtime.Progress(log, "footage", len(take.time_s), unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)
