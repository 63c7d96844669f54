"""Find the code of every frame of a clip that shows a face, with the help of its neighbours."""

from d2a_core import runtime
from d2a_core.animation import animations, cast, footage
from d2a_core.fan import closed_loop
from d2a_core.generator import latent_prior
from d2a_core.media import images, video_reading
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, params = snakemake.input, snakemake.params
    options, settings = footage.Options(**params.footage), animations.Options(**params.animations)
    animator = closed_loop.of_job(snakemake)
    people, rate = cast.read(inputs.code), float(video_reading.probe(inputs.video).rate)
    seen = footage.seen(tables.read_parquet(inputs.driving), people, size=animator.size)
    found = footage.refine(
        animator.generator,
        footage.follow(animator, people, seen, settings, rate_hz=rate),
        footage.aligned(video_reading.frames_at(inputs.video, people.rows), seen.places),
        seen.points,
        latent_prior.fit(animator.generator),
        options,
        stretch=seen.stretch,
        progress=runtime.Progress(log, "footage", len(seen.places), unit="frames"),
    )
    facts = provenance.provenance(stage="footage", options=options, animations=settings, **animator.facts)
    arrays.write_zarr(snakemake.output.codes, found.arrays(), attributes=facts)
    faces = footage.aligned(video_reading.frames_at(inputs.video, people.rows), seen.places)
    images.write_image(footage.draw(animator, found, faces, people.rows), snakemake.output.sheet, text=facts)
    log.info("footage %s", runtime.figures_line(found.figures))


if __name__ == "__main__":
    main(snakemake)
