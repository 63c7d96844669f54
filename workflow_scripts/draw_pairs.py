"""Draw the pairs of all protocols, on which every method is scored."""

from d2a_core import io, protocols, runtime


def main(snakemake):
    log = runtime.start(snakemake)
    options = protocols.Options(**snakemake.params.protocols)
    pairs = protocols.draw(snakemake.params.sizes, snakemake.params.clips, options)
    facts = io.provenance(stage="evaluation", protocols=options, sizes=snakemake.params.sizes)
    io.write_parquet(protocols.columns(pairs), snakemake.output.pairs, metadata=facts)
    log.info("evaluation pairs=%d sets=%d", len(pairs), len(snakemake.params.sizes))


if __name__ == "__main__":
    main(snakemake)
