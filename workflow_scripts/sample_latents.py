"""Draw the random faces of one shard and render their drafts."""

from d2a_core import generator, io, latents, runtime


def main(snakemake):
    log = runtime.start(snakemake)
    options = generator.Options(**snakemake.params.generator)
    draft = io.read_zarr(snakemake.input.draft)
    network = generator.load(options, snakemake.input.generator, draft=draft, **runtime.hardware(snakemake))
    arrays = latents.sample(
        network,
        shard=int(snakemake.wildcards.shard),
        count=snakemake.params.shard_size,
        seed=snakemake.params.seed,
        size=options.draft_size,
        progress=runtime.Progress(log, "latents", snakemake.params.shard_size),
    )
    facts = io.provenance(
        stage="latents",
        generator=options.name,
        generator_sha256=io.sha256(snakemake.input.generator),
        seed=snakemake.params.seed,
        shard=int(snakemake.wildcards.shard),
    )
    io.write_zarr(snakemake.output.latents, arrays, attributes=facts)


if __name__ == "__main__":
    main(snakemake)
