"""Measure how real the pictures of one method look as a set, where there are Inception weights."""

from d2a_core import runtime
from d2a_core.evaluation import found_results, protocols, realism, results
from d2a_core.media import images
from d2a_core.store import optional_weights, provenance, tables, texts


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    pairs = protocols.pairs_of(tables.read_parquet(inputs.pairs), params.protocols)
    rows = realism.measure(
        pairs,
        found_results.finders(params.methods, inputs.frames, frames=params.frames),
        images.image_reader(inputs.faces),
        optional_weights.recorded(texts.read_json(inputs.inception)),
        passes=params.passes,
        device=runtime.device(snakemake.resources),
        progress=runtime.Progress(log, "evaluation", results.count(params.methods, pairs, params.passes)),
    )
    facts = provenance.provenance(stage="evaluation", method=params.method)
    tables.write_parquet(rows, snakemake.output.realism, metadata=facts)


if __name__ == "__main__":
    main(snakemake)
