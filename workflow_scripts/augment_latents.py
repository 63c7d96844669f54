"""Augment the source faces of one shard and detect the results."""

from d2a_core import runtime
from d2a_core.directions import samples
from d2a_core.faces import detectors, landmarks
from d2a_core.fan import pairs
from d2a_core.generator import generator
from d2a_core.store import arrays, lineage, provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    settings = generator.Options(**snakemake.params.generator)
    inputs, engine = snakemake.input, runtime.engine(snakemake)
    network = generator.load(settings, inputs.generator, draft=inputs.draft, **engine)
    lineage.check(network.identity, inputs.directions, inputs.latents, inputs.landmarks)
    options = landmarks.Options(**snakemake.params.landmarks)
    detector = detectors.load_detector(options, inputs.models, **runtime.hardware(snakemake))
    faces = samples.join(
        arrays.read_zarr(inputs.latents, ["sample_id", "w"]),
        tables.read_parquet(inputs.landmarks),
    )
    shard, group = snakemake.wildcards.shard, snakemake.wildcards.group
    plan = pairs.Plan(int(shard), group, **snakemake.params.plan)
    contents = pairs.augment(
        network,
        detector,
        faces,
        arrays.read_zarr(inputs.directions),
        plan,
        size=settings.draft_size,
        progress=runtime.Progress(log, "pairs", plan.renders(len(faces.w))),
    )
    origin = arrays.zarr_attributes(inputs.directions)
    facts = provenance.provenance(
        stage="pairs", plan=plan, landmarks=options, directions=origin, **network.identity.facts
    )
    arrays.write_zarr(snakemake.output.pairs, contents, attributes=facts)


if __name__ == "__main__":
    main(snakemake)
