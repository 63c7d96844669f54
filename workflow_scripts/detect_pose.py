"""Detect the landmarks of an aligned photo."""

from d2a_core import runtime
from d2a_core.faces import detectors, landmarks
from d2a_core.media import images
from d2a_core.store import provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    detector = detectors.of_job(snakemake)
    seen = landmarks.the_face(detector, images.read_image(snakemake.input.image), snakemake.wildcards.photo)
    options = detector.options
    facts = provenance.provenance(stage="sources", options=options, detector=options.detector)
    table = landmarks.table(seen, sample_id=[0])
    tables.write_parquet(table, snakemake.output.landmarks, metadata=facts)
    log.info("sources pose=%s", snakemake.wildcards.photo)


if __name__ == "__main__":
    main(snakemake)
