"""Augment the source faces of one shard and detect the results."""

from d2a_core import detectors, generator, io, landmarks, lineage, pairs, runtime, samples


def main(snakemake):
    log = runtime.start(snakemake)
    settings = generator.Options(**snakemake.params.generator)
    inputs, engine = snakemake.input, runtime.engine(snakemake)
    network = generator.load(settings, inputs.generator, draft=inputs.draft, **engine)
    lineage.check(network.identity, inputs.directions, inputs.latents, inputs.landmarks)
    options = landmarks.Options(**snakemake.params.landmarks)
    detector = detectors.load_detector(options, inputs.models, **runtime.hardware(snakemake))
    faces = samples.join(
        io.read_zarr(inputs.latents, ["sample_id", "w"]),
        io.read_parquet(inputs.landmarks),
    )
    shard, group = snakemake.wildcards.shard, snakemake.wildcards.group
    plan = pairs.Plan(int(shard), group, **snakemake.params.plan)
    contents = pairs.augment(
        network,
        detector,
        faces,
        io.read_zarr(inputs.directions),
        plan,
        size=settings.draft_size,
        progress=runtime.Progress(log, "pairs", plan.renders(len(faces.w))),
    )
    origin = io.zarr_attributes(inputs.directions)
    facts = io.provenance(
        stage="pairs", plan=plan, landmarks=options, directions=origin, **network.identity.facts
    )
    io.write_zarr(snakemake.output.pairs, contents, attributes=facts)


if __name__ == "__main__":
    main(snakemake)
