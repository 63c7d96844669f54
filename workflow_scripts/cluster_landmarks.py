"""Cluster the sampled faces by one facial part."""

from d2a_core import runtime
from d2a_core.directions import clusters, samples
from d2a_core.store import arrays, lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    part, k = snakemake.params.part, int(snakemake.params.k)
    normalised = snakemake.params.pose_normalisation
    identity = lineage.shared([*snakemake.input.latents, *snakemake.input.landmarks])
    faces = samples.join(
        arrays.read_zarrs(snakemake.input.latents, ["sample_id", "w"]),
        tables.read_parquets(snakemake.input.landmarks),
    )
    features = clusters.features(faces, part=part, pose_normalisation=normalised)
    found = clusters.cluster(
        features, faces.w, k=k, restarts=snakemake.params.restarts, seed=snakemake.params.seed
    )
    plan = {"part": part, "k": k, "seed": snakemake.params.seed, "faces": len(features)}
    plan["pose_normalisation"] = normalised
    facts = provenance.provenance(stage="clusters", **plan, **identity.facts)
    contents = {"centroid": found.centroid, "size": found.size}
    arrays.write_zarr(snakemake.output.centroids, contents, attributes=facts)
    columns = {"sample_id": faces.sample_id, "cluster": found.cluster, "distance": found.distance}
    tables.write_parquet(columns, snakemake.output.table, metadata=facts)
    log.info("clusters part=%s k=%d faces=%d smallest=%d", part, k, len(features), found.size.min())


if __name__ == "__main__":
    main(snakemake)
