"""Make the controls on some faces, and measure on others what each does to everything."""

from d2a_core import runtime
from d2a_core.directions import attribute_slopes, ball, controls, sliders
from d2a_core.faces import detectors
from d2a_core.generator import generator
from d2a_core.media import images
from d2a_core.store import arrays, provenance, tables, texts


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, outputs = snakemake.input, snakemake.output
    options = controls.Options(**snakemake.params.controls)
    network = generator.of_job(snakemake, inputs.directions, *inputs.pairs)
    detector = detectors.of_job(snakemake, inputs.directions, *inputs.pairs)
    store = arrays.read_zarr(inputs.directions)
    size = snakemake.params.generator["draft_size"]
    looker = controls.Looker(network, detector, ball.from_store(store), size)
    made_on, measured_on = controls.faces(network, options)
    progress = runtime.Progress(log, "controls", controls.renders(store, options))
    slope = attribute_slopes.learn(
        store, *attribute_slopes.changes(arrays.read_each(inputs.pairs, attribute_slopes.STORED))
    )
    vector = controls.build(looker, store, slope, made_on, progress)
    measured = controls.measure(looker, store, vector, measured_on, progress)
    facts = provenance.provenance(
        stage="controls",
        options=options,
        landmarks=detector.options,
        detector=detector.name,
        **network.identity.facts,
    )
    arrays.write_zarr(outputs.controls, sliders.arrays(measured, store), attributes=facts)
    found = sliders.Controls(measured, looker.ball)
    tables.write_parquet(controls.purity(measured), outputs.purity, metadata=facts)
    texts.write_text(controls.markdown(found), outputs.text)
    images.write_image(controls.draw(looker, found, measured_on[:1]), outputs.picture, text=facts)
    log.info("controls kept=%d of=%d", len(found.all), len(measured.kinds))


if __name__ == "__main__":
    main(snakemake)
