"""Draw the pairs of all protocols, on which every method is scored."""

from d2a_core import runtime
from d2a_core.evaluation import protocols
from d2a_core.store import provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    options = protocols.Options(**snakemake.params.protocols)
    pairs = protocols.draw(snakemake.params.sizes, snakemake.params.clips, options)
    facts = provenance.provenance(stage="evaluation", protocols=options, sizes=snakemake.params.sizes)
    tables.write_parquet(protocols.columns(pairs), snakemake.output.pairs, metadata=facts)
    log.info("evaluation pairs=%d sets=%d", len(pairs), len(snakemake.params.sizes))


if __name__ == "__main__":
    main(snakemake)
