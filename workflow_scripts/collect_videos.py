"""Bring the figures of all videos into one table."""

from d2a_core import runtime
from d2a_core.evaluation import summary
from d2a_core.store import provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    table = summary.videos(tables.read_parquets(snakemake.input.figures), snakemake.params.kinds)
    facts = provenance.provenance(stage="evaluation")
    tables.write_parquet(table, snakemake.output.table, metadata=facts)
    log.info("evaluation videos=%d", len(table))


if __name__ == "__main__":
    main(snakemake)
