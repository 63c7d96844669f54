"""Let one source go from one pose to another, in even steps."""

from d2a_core import runtime
from d2a_core.animation import animations, assessment, morphs
from d2a_core.faces import stitching
from d2a_core.fan import closed_loop
from d2a_core.generator import rendering
from d2a_core.inversion import consultant
from d2a_core.media import images, video_writing
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, outputs = snakemake.input, snakemake.output
    options = morphs.Options(**snakemake.params.morph)
    settings = animations.Options(**snakemake.params.animations)
    animator = closed_loop.of_job(snakemake)
    code = arrays.read_zarr(inputs.code, ["wplus"])["wplus"]
    source, *poses = (tables.read_parquet(table) for table in (inputs.landmarks, inputs.start, inputs.end))
    morph = morphs.morph(animator, code, source, poses, options, settings=settings, log=log)
    photo, limit = images.read_image(inputs.image), snakemake.params.yaw_limit_deg
    still = consultant.consultant(animator.generator, inputs.consultation, photo, code, yaw_limit_deg=limit)
    facts = provenance.provenance(stage="morphs", options=options, **animator.facts)
    path, yaw_deg = morph.path, animations.yaw_from(source, morph.path)
    arrays.write_zarr(outputs.latents, animations.as_arrays(path, morph.times), attributes=facts)
    stitched = stitching.of_photo(settings.surroundings, photo, still.picture(), animator.detector)
    watch = morphs.Watch(animator.detector, count=options.frames, columns=snakemake.params.columns)
    video_writing.write_frames(
        watch.over(
            stitched(rendering.frames(animator.generator, path.wplus, path.delta, still.along(yaw_deg)))
        ),
        outputs.video,
        rate=morph.times.rate,
        crf=settings.crf,
        metadata=video_writing.provenance(facts),
        progress=runtime.Progress(log, "morphs", len(path.delta), unit="frames"),
    )
    figures = watch.figures(morph)
    names = {"source": snakemake.wildcards.source, "morph": snakemake.wildcards.morph}
    tables.write_parquet(assessment.columns(figures, **names), outputs.figures, metadata=facts)
    images.write_image(watch.sheet(), outputs.sheet, text=facts)
    log.info("morphs %s", runtime.figures_line(figures))


if __name__ == "__main__":
    main(snakemake)
