"""Compare the ablations and fine-tuning with the main method, pair by pair."""

from d2a_core import evaluation, io, runtime, score_tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs = snakemake.input
    rows = evaluation.ablation_rows(
        list(map(io.read_parquet, inputs.mains)),
        list(map(io.read_parquet, inputs.scores)),
        snakemake.params.trained,
    )
    facts = io.provenance(**io.parquet_metadata(inputs.mains[0]))
    columns = evaluation.columns_of(rows, facts)
    io.write_parquet(columns, snakemake.output.table, metadata=facts)
    io.write_text(score_tables.ablations_markdown(rows, facts), snakemake.output.text)
    log.info("evaluation ablations=%d", len(inputs.scores))


if __name__ == "__main__":
    main(snakemake)
