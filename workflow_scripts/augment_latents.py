"""Augment the source faces of one shard and detect the results."""

from d2a_core import generator, io, landmarks, pairs, runtime, samples


def main(snakemake):
    log = runtime.start(snakemake)
    settings = generator.Options(**snakemake.params.generator)
    hardware = runtime.hardware(snakemake)
    draft = io.read_zarr(snakemake.input.draft)
    network = generator.load(settings, snakemake.input.generator, draft=draft, **hardware)
    options = landmarks.Options(**snakemake.params.landmarks)
    detector = landmarks.load_detector(options, snakemake.input.models, **hardware)
    faces = samples.join(
        io.read_zarr(snakemake.input.latents, ["sample_id", "w"]),
        io.read_parquet(snakemake.input.landmarks),
    )
    plan = pairs.Plan(int(snakemake.wildcards.shard), **snakemake.params.plan)
    arrays = pairs.augment(
        network,
        detector,
        faces,
        io.read_zarr(snakemake.input.directions),
        plan,
        size=settings.draft_size,
        progress=runtime.Progress(log, "pairs", plan.renders(len(faces.w))),
    )
    origin = io.zarr_attributes(snakemake.input.directions)
    facts = io.provenance(stage="pairs", plan=plan, landmarks=options, directions=origin)
    io.write_zarr(snakemake.output.pairs, arrays, attributes=facts)


if __name__ == "__main__":
    main(snakemake)
