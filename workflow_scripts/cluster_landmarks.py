"""Cluster the sampled faces by each facial part, into each number of clusters."""

from d2a_core import runtime
from d2a_core.directions import clusters, samples
from d2a_core.store import arrays, lineage, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, outputs = snakemake.input, snakemake.output
    made_with = lineage.shared([*inputs.latents, *inputs.landmarks])
    faces = samples.join(
        arrays.read_zarrs(inputs.latents, ["sample_id", "w"]), tables.read_parquets(inputs.landmarks)
    )
    clusters.save_all(
        clusters.cluster_all(faces, clusters.Options(**snakemake.params.clusters)),
        outputs.centroids,
        outputs.tables,
        sample_id=faces.sample_id,
        facts=made_with,
        log=log,
    )


if __name__ == "__main__":
    main(snakemake)
