"""Collect, measure and select directions, from the clusters or by another method."""

from d2a_core import runtime
from d2a_core.directions import candidates, directions, samples
from d2a_core.generator import generator
from d2a_core.store import arrays, lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    options = directions.Options(**snakemake.params.directions)
    inputs = snakemake.input
    drawn = arrays.read_zarrs(inputs.latents, ["sample_id", "w"])
    faces = samples.join(drawn, tables.read_parquets(inputs.landmarks))
    made_with = lineage.shared([*inputs.latents, *inputs.landmarks, *inputs.clusters])
    network = generator.of_job(snakemake, inputs.latents[0])
    clusterings = arrays.read_each(inputs.clusters, ["centroid"])
    known = candidates.known(faces, network, snakemake.params.parts, clusterings)
    proposed = candidates.find(known, options)
    found = directions.distil(proposed, faces, network.mean_w.cpu().numpy(), options)
    facts = provenance.provenance(
        stage="directions", options=options, faces=len(faces.w), dropped=found.dropped, **made_with
    )
    arrays.write_zarr(snakemake.output.directions, found.arrays, attributes=facts)
    tables.write_parquet(found.columns, snakemake.output.catalogue, metadata=facts)
    log.info("directions kept=%d %s", len(found.arrays["vector"]), found.summary)


if __name__ == "__main__":
    main(snakemake)
