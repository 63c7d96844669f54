"""Summarise the scores of all methods: a table for machines and one for readers."""

from d2a_core import evaluation, io, runtime, score_tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    rows = evaluation.summarise(
        [io.read_parquet(path) for path in inputs.scores],
        [io.read_parquet(path) for path in inputs.realism],
    )
    facts = io.provenance(**io.parquet_metadata(inputs.faces[0]) | io.parquet_metadata(inputs.scores[0]))
    columns = evaluation.columns_of([row | evaluation.instruments(facts) for row in rows])
    io.write_parquet(columns, snakemake.output.table, metadata=facts)
    io.write_text(score_tables.markdown(rows, facts), snakemake.output.text)
    log.info("evaluation rows=%d methods=%d", len(rows), len(inputs.scores))


if __name__ == "__main__":
    main(snakemake)
