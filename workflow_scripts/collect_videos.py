"""Bring the figures of all videos into one table."""

from d2a_core import evaluation, io, runtime


def main(snakemake):
    log = runtime.start(snakemake)
    table = evaluation.videos(io.read_parquets(snakemake.input.figures), snakemake.params.kinds)
    facts = io.provenance(stage="evaluation")
    io.write_parquet(table, snakemake.output.table, metadata=facts)
    log.info("evaluation videos=%d", len(table))


if __name__ == "__main__":
    main(snakemake)
