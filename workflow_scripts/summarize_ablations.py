"""Compare the ablations and fine-tuning with the main method, pair by pair."""

from d2a_core import runtime
from d2a_core.evaluation import score_tables, summary
from d2a_core.store import provenance, tables, texts


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    rows = summary.ablation_rows(
        list(map(tables.read_parquet, inputs.mains)),
        list(map(tables.read_parquet, inputs.scores)),
        snakemake.params.trained,
    )
    facts = provenance.provenance(**tables.parquet_metadata(inputs.mains[0]))
    columns = summary.columns_of(rows, facts)
    tables.write_parquet(columns, snakemake.output.table, metadata=facts)
    texts.write_text(score_tables.ablations_markdown(rows, facts), snakemake.output.text)
    log.info("evaluation ablations=%d", len(inputs.scores))


if __name__ == "__main__":
    main(snakemake)
