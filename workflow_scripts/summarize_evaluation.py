"""Summarise the scores of all methods: a table for machines and one for readers."""

from d2a_core import evaluation, io, runtime, score_tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    rows = evaluation.summarise(
        list(map(io.read_parquet, inputs.scores)),
        list(map(io.read_parquet, inputs.realism)),
    )
    facts = io.provenance(**io.shared_facts([inputs.faces[0], inputs.scores[0]]))
    columns = evaluation.columns_of(rows, facts)
    io.write_parquet(columns, snakemake.output.table, metadata=facts)
    io.write_text(score_tables.markdown(rows, facts), snakemake.output.text)
    log.info("evaluation rows=%d methods=%d", len(rows), len(inputs.scores))


if __name__ == "__main__":
    main(snakemake)
