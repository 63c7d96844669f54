"""Let one source move like one clip."""

from d2a_core import runtime
from d2a_core.animation import animations
from d2a_core.faces import stitching
from d2a_core.fan import closed_loop
from d2a_core.generator import rendering
from d2a_core.inversion import consultant
from d2a_core.media import images, video_reading, video_writing
from d2a_core.store import arrays, provenance, tables, texts


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs = snakemake.input
    options = animations.Options(**snakemake.params.animations)
    animator = closed_loop.of_job(snakemake)
    code = arrays.read_zarr(inputs.code, ["wplus"])["wplus"]
    source, driver = (tables.read_parquet(table) for table in (inputs.landmarks, inputs.driving))
    rate = video_reading.probe(inputs.video).rate
    path = animations.follow(animator, code, source, driver, options, rate_hz=float(rate), log=log)
    path, times = animations.retimed(path, driver, options, rate)
    photo, limit = images.read_image(inputs.image), snakemake.params.yaw_limit_deg
    still = consultant.consultant(animator.generator, inputs.consultation, photo, code, yaw_limit_deg=limit)
    facts = provenance.provenance(
        stage="animations",
        options=options,
        rate=str(times.rate),
        fan_sha256=list(map(texts.sha256, inputs.fan)),
        **animator.facts,
    )
    arrays.write_zarr(snakemake.output.latents, animations.as_arrays(path, times), attributes=facts)
    stitched = stitching.of_photo(options.surroundings, photo, still.picture(), animator.detector)
    turned = still.along(animations.yaw_from(source, path))
    video_writing.write_frames(
        stitched(rendering.frames(animator.generator, path.wplus, path.delta, turned)),
        snakemake.output.video,
        rate=times.rate,
        audio=inputs.video,
        slow_motion=options.slow_motion,
        crf=options.crf,
        metadata=video_writing.provenance(facts),
        progress=runtime.Progress(log, "animations", len(path.delta), unit="frames"),
    )


if __name__ == "__main__":
    main(snakemake)
