"""Let the person of a video move like a clip, in the video itself."""

from d2a_core import runtime
from d2a_core.animation import animations, footage_goals, retakes, retiming
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
    take = footage_goals.take(shown, driver, options, parts, rate=rate, driver_rate=driver_rate)
    log.info("footage frames=%d of=%d", len(take.goal), len(shown))
    code, source = arrays.read_zarr(inputs.code, ["wplus"])["wplus"], tables.read_parquet(inputs.landmarks)
    shot = animations.shots(take.table)
    path = animations.led(animator, code, source, take.goal, options, shot=shot, log=log)
    facts = provenance.provenance(stage="footage", options=options, parts=parts, **animator.facts)
    stored = animations.as_arrays(path, retiming.Times(take.time_s, rate))
    arrays.write_zarr(snakemake.output.latents, stored, attributes=facts)
    video_writing.write_frames(
        retakes.retaken(
            animator,
            video_reading.read_frames(inputs.video),
            retakes.as_shown(animator, code, source, take),
            rendering.apply(path.wplus, path.delta),
            take,
            low=retakes.LOW,
        ),
        snakemake.output.video,
        rate=rate,
        audio=footage_goals.heard(inputs.video, inputs.driver, options, parts),
        crf=options.crf,
        metadata=video_writing.provenance(facts),
        progress=runtime.Progress(log, "footage", len(take.goal), unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)
