"""Find the code of every frame of a clip with the help of its neighbours."""

from d2a_core import runtime
from d2a_core.animation import animations, footage
from d2a_core.fan import closed_loop
from d2a_core.generator import latent_prior
from d2a_core.media import images, video_reading
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, params = snakemake.input, snakemake.params
    options = footage.Options(**params.footage)
    settings = footage.as_it_moves(animations.Options(**params.animations))
    animator = closed_loop.of_job(snakemake)
    code = arrays.read_zarr(inputs.code, ["wplus"])["wplus"]
    source, driver = (tables.read_parquet(table) for table in (inputs.landmarks, inputs.driving))
    clip = video_reading.probe(inputs.video)
    path = animations.follow(animator, code, source, driver, settings, rate_hz=float(clip.rate), log=log)
    places = footage.crops(tables.points_array(driver, "quad"), animator.size)
    found = footage.refine(
        animator.generator,
        path,
        footage.aligned(video_reading.read_frames(inputs.video), places),
        tables.points_array(driver),
        latent_prior.fit(animator.generator),
        options,
        progress=runtime.Progress(log, "footage", len(places), unit="frames"),
    )
    facts = provenance.provenance(stage="footage", options=options, animations=settings, **animator.facts)
    arrays.write_zarr(snakemake.output.codes, found.arrays(), attributes=facts)
    sheet = footage.draw(animator, found, footage.aligned(video_reading.read_frames(inputs.video), places))
    images.write_image(sheet, snakemake.output.sheet, text=facts)
    log.info("footage %s", runtime.figures_line(found.figures))


if __name__ == "__main__":
    main(snakemake)
