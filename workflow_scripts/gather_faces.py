"""Bring the photos of a user's data set into the form of all sets: aligned, measured, sources as codes."""

from itertools import chain

from d2a_core import runtime
from d2a_core.evaluation import face_table, instruments
from d2a_core.faces import photo_alignment
from d2a_core.media import images, photos
from d2a_core.store import arrays, lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, params = snakemake.input, snakemake.params
    eyes = instruments.of_job(snakemake, inputs.reference)
    aligner = photo_alignment.aligner(snakemake, eyes.detector)
    aligned = photo_alignment.align_all(photos.read_all(params.others), aligner, log=log)
    sources = zip(params.sources, map(images.read_image, inputs.sources), strict=True)
    progress = runtime.Progress(log, "evaluation", len([*params.sources, *params.others]))
    named = images.keep_images(chain(sources, aligned), snakemake.output.images)
    columns = face_table.look(named, eyes, progress)
    said = {**lineage.facts(inputs.codes[0]), "stage": "evaluation", **eyes.facts}
    facts = provenance.provenance(**said)
    arrays.write_zarr(snakemake.output.codes, arrays.read_zarrs(inputs.codes, ["wplus"]), attributes=facts)
    tables.write_parquet(columns, snakemake.output.faces, metadata=facts)


if __name__ == "__main__":
    main(snakemake)
