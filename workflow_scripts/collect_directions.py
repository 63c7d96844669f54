"""Collect, measure and select directions, from the clusters or by another method."""

from d2a_core import direction_methods, directions, generator, io, lineage, runtime, samples


def main(snakemake):
    log = runtime.start(snakemake)
    options = directions.Options(**snakemake.params.directions)
    faces = samples.join(
        io.read_zarrs(snakemake.input.latents, ["sample_id", "w"]),
        io.read_parquets(snakemake.input.landmarks),
    )
    network = generator.load(
        generator.Options(**snakemake.params.generator),
        snakemake.input.generator,
        **runtime.engine(snakemake),
    )
    lineage.check(network.identity, *snakemake.input.latents, *snakemake.input.clusters)
    clusterings = io.read_each(snakemake.input.clusters, ["centroid"])
    named = dict(zip(snakemake.params.clusterings, clusterings, strict=True))
    candidates = direction_methods.find(named, faces, network, options)
    found = directions.distil(candidates, faces, network.mean_w.cpu().numpy(), options)
    facts = io.provenance(
        stage="directions",
        options=options,
        faces=len(faces.w),
        dropped=found.dropped,
        **network.identity.facts,
    )
    io.write_zarr(snakemake.output.directions, found.arrays, attributes=facts)
    io.write_parquet(found.columns, snakemake.output.catalogue, metadata=facts)
    log.info("directions kept=%d %s", len(found.arrays["vector"]), found.summary)


if __name__ == "__main__":
    main(snakemake)
