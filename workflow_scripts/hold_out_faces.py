"""Draw and render faces that no training stage has seen."""

from d2a_core import runtime
from d2a_core.evaluation import face_table, held_out, instruments
from d2a_core.generator import generator
from d2a_core.media import images
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, options = snakemake.input, snakemake.params.protocols
    network = generator.of_job(snakemake, inputs.directions, *inputs.latents)
    eyes = instruments.of_job(snakemake, inputs.directions)
    drawn = held_out.draw(
        network,
        held_out.trained_on(inputs.latents),
        arrays.read_zarr(inputs.directions),
        count=options["pairs"],
        seed=options["seed"],
    )
    progress = runtime.Progress(log, "evaluation", held_out.faces(options["pairs"]))
    named = images.keep_images(drawn.pictures(network), snakemake.output.images)
    columns = face_table.look(named, eyes, progress)
    facts = provenance.provenance(
        stage="evaluation", protocols=options, **eyes.facts, **network.identity.facts
    )
    arrays.write_zarr(snakemake.output.codes, drawn.arrays(), attributes=facts)
    tables.write_parquet(columns, snakemake.output.faces, metadata=facts)


if __name__ == "__main__":
    main(snakemake)
