"""Summarise the evaluated pairs as a table, for machines and for readers."""

from d2a_core import evaluation, io, runtime


def main(snakemake):
    log = runtime.start(snakemake)
    pairs = io.read_parquet(snakemake.input.table)
    facts = io.parquet_metadata(snakemake.input.table)
    summary = evaluation.summarise(pairs)
    io.write_parquet(summary, snakemake.output.table, metadata=facts)
    io.write_text(evaluation.markdown(summary), snakemake.output.text)
    log.info("evaluation passes=%d pairs=%d", len(summary["pass"]), len(pairs))


if __name__ == "__main__":
    main(snakemake)
