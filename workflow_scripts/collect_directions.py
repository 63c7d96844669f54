"""Collect, measure and select directions, from the clusters or by another method."""

from d2a_core import runtime
from d2a_core.directions import candidates, directions, samples
from d2a_core.generator import generator
from d2a_core.store import arrays, lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    options = directions.Options(**snakemake.params.directions)
    faces = samples.join(
        arrays.read_zarrs(snakemake.input.latents, ["sample_id", "w"]),
        tables.read_parquets(snakemake.input.landmarks),
    )
    network = generator.load(
        generator.Options(**snakemake.params.generator),
        snakemake.input.generator,
        **runtime.engine(snakemake),
    )
    lineage.check(network.identity, *snakemake.input.latents, *snakemake.input.clusters)
    clusterings = arrays.read_each(snakemake.input.clusters, ["centroid"])
    known = candidates.known(faces, network, snakemake.params.parts, clusterings)
    proposed = candidates.find(known, options)
    found = directions.distil(proposed, faces, network.mean_w.cpu().numpy(), options)
    facts = provenance.provenance(
        stage="directions",
        options=options,
        faces=len(faces.w),
        dropped=found.dropped,
        **network.identity.facts,
    )
    arrays.write_zarr(snakemake.output.directions, found.arrays, attributes=facts)
    tables.write_parquet(found.columns, snakemake.output.catalogue, metadata=facts)
    log.info("directions kept=%d %s", len(found.arrays["vector"]), found.summary)


if __name__ == "__main__":
    main(snakemake)
