"""Render the face of one seed and detect its landmarks."""

from d2a_core import detectors, generator, io, landmarks, runtime, sources


def main(snakemake):
    log = runtime.start(snakemake)
    settings = generator.Options(**snakemake.params.generator)
    network = generator.load(settings, snakemake.input.generator, **runtime.engine(snakemake))
    options = landmarks.Options(**snakemake.params.landmarks)
    detector = detectors.load_detector(options, snakemake.input.models, **runtime.hardware(snakemake))
    source = sources.Options(**snakemake.params.source)
    face = sources.sample(network, detector, source)
    facts = io.provenance(
        stage="sources",
        source=source,
        **network.identity.facts,
    )
    io.write_zarr(snakemake.output.code, {"wplus": face.wplus}, attributes=facts)
    table = landmarks.table(face.detections, sample_id=[source.seed])
    io.write_parquet(table, snakemake.output.landmarks, metadata=facts)
    io.write_image(face.image, snakemake.output.image, text=facts)
    log.info("sources name=%s seed=%d", source.name, source.seed)


if __name__ == "__main__":
    main(snakemake)
