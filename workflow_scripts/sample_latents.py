"""Draw the random faces of one shard and render their drafts."""

from d2a_core import runtime
from d2a_core.directions import latents
from d2a_core.generator import generator
from d2a_core.store import arrays, provenance


def main(snakemake):
    log = runtime.start(snakemake)
    options = generator.Options(**snakemake.params.generator)
    inputs, engine = snakemake.input, runtime.engine(snakemake)
    network = generator.load(options, inputs.generator, draft=inputs.draft, **engine)
    contents = latents.sample(
        network,
        shard=int(snakemake.wildcards.shard),
        count=snakemake.params.shard_size,
        seed=snakemake.params.seed,
        size=options.draft_size,
        progress=runtime.Progress(log, "latents", snakemake.params.shard_size),
    )
    facts = provenance.provenance(
        stage="latents",
        seed=snakemake.params.seed,
        shard=int(snakemake.wildcards.shard),
        **network.identity.facts,
    )
    outputs = snakemake.output
    stores = latents.stores(contents, outputs.latents, outputs.images)
    arrays.write_zarrs(stores, attributes=facts)


if __name__ == "__main__":
    main(snakemake)
