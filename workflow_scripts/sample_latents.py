"""Draw the random faces of one shard and render their drafts."""

from d2a_core import runtime
from d2a_core.directions import latents
from d2a_core.generator import generator
from d2a_core.store import arrays, provenance


def main(snakemake):
    log = runtime.start(snakemake)
    params, shard = snakemake.params, int(snakemake.wildcards.shard)
    network = generator.of_job(snakemake)
    contents = latents.sample(
        network,
        shard=shard,
        count=params.shard_size,
        seed=params.seed,
        size=params.generator["draft_size"],
        progress=runtime.Progress(log, "latents", params.shard_size),
    )
    facts = provenance.provenance(stage="latents", seed=params.seed, shard=shard, **network.identity.facts)
    kept, passing = latents.parted(contents, keep_images=params.images)
    arrays.write_zarr(snakemake.output.latents, kept, attributes=facts)
    arrays.write_zarr(snakemake.output.passing, passing, attributes=facts)


if __name__ == "__main__":
    main(snakemake)
