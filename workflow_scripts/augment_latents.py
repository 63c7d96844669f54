"""Augment the source faces of one shard and detect the results."""

from d2a_core import runtime
from d2a_core.directions import samples
from d2a_core.faces import detectors
from d2a_core.fan import pairs
from d2a_core.generator import generator
from d2a_core.store import arrays, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params, name = snakemake.input, snakemake.params, snakemake.wildcards
    network = generator.of_job(snakemake, inputs.directions, inputs.latents, inputs.landmarks)
    detector = detectors.of_job(snakemake, inputs.directions, inputs.landmarks)
    drawn = arrays.read_zarr(inputs.latents, ["sample_id", "w"])
    faces = samples.join(drawn, tables.read_parquet(inputs.landmarks))
    plan = pairs.Plan(int(name.shard), name.group, **params.plan)
    contents = pairs.augment(
        network,
        detector,
        faces,
        arrays.read_zarr(inputs.directions),
        plan,
        size=params.generator["draft_size"],
        progress=runtime.Progress(log, "pairs", plan.renders(len(faces.w))),
    )
    facts = provenance.provenance(
        stage="pairs",
        plan=plan,
        landmarks=detector.options,
        directions=arrays.zarr_attributes(inputs.directions),
        detector=detector.name,
        **network.identity.facts,
    )
    arrays.write_zarr(snakemake.output.pairs, contents, attributes=facts)


if __name__ == "__main__":
    main(snakemake)
