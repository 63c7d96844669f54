"""Render the face of one seed and detect its landmarks."""

from d2a_core import runtime
from d2a_core.faces import detectors, landmarks
from d2a_core.generator import generator
from d2a_core.inversion import sources
from d2a_core.media import images
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    network, detector = generator.of_job(snakemake), detectors.of_job(snakemake)
    source = sources.Options(**snakemake.params.source)
    face = sources.sample(network, detector, source)
    facts = provenance.provenance(
        stage="sources",
        source=source,
        detector=detector.name,
        **network.identity.facts,
    )
    arrays.write_zarr(snakemake.output.code, {"wplus": face.wplus}, attributes=facts)
    table = landmarks.table(face.detections, sample_id=[source.seed])
    tables.write_parquet(table, snakemake.output.landmarks, metadata=facts)
    images.write_image(face.image, snakemake.output.image, text=facts)
    log.info("sources name=%s seed=%d", source.name, source.seed)


if __name__ == "__main__":
    main(snakemake)
