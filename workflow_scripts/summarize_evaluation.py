"""Summarise the scores of all methods: a table for machines and one for readers."""

from d2a_core import runtime
from d2a_core.evaluation import score_tables, summary
from d2a_core.store import lineage, provenance, tables, texts


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    rows = summary.summarise(
        list(map(tables.read_parquet, inputs.scores)),
        list(map(tables.read_parquet, inputs.realism)),
    )
    facts = provenance.provenance(**lineage.shared_facts([inputs.faces[0], inputs.scores[0]]))
    columns = summary.columns_of(rows, facts)
    tables.write_parquet(columns, snakemake.output.table, metadata=facts)
    texts.write_text(score_tables.markdown(rows, facts), snakemake.output.text)
    log.info("evaluation rows=%d methods=%d", len(rows), len(inputs.scores))


if __name__ == "__main__":
    main(snakemake)
