"""Detect facial landmarks on one shard of sampled images."""

from d2a_core import runtime
from d2a_core.faces import detectors, landmarks
from d2a_core.store import arrays, lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    store = arrays.read_zarr(snakemake.input.images, ["sample_id", "image"])
    origin = arrays.zarr_attributes(snakemake.input.images)
    detector = detectors.of_job(snakemake)
    progress = runtime.Progress(log, "landmarks", len(store["image"]))
    detections = landmarks.detect(store["image"], detector, progress=progress)
    table = landmarks.table(detections, sample_id=store["sample_id"])
    facts = provenance.provenance(
        stage="landmarks",
        options=detector.options,
        units="points: fractions of the image side, x0 y0 x1 …; yaw, pitch, roll: degrees",
        latents=origin,
        detector=detector.name,
        **lineage.of(snakemake.input.images).facts,
    )
    tables.write_parquet(table, snakemake.output.table, metadata=facts)
    log.info("landmarks images=%d found=%d", len(detections.found), detections.found.sum())


if __name__ == "__main__":
    main(snakemake)
