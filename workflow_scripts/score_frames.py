"""Score the pictures of one method, pair by pair."""

from d2a_core import runtime
from d2a_core.evaluation import face_table, found_results, instruments, protocols, results, scores
from d2a_core.media import images
from d2a_core.store import provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    pairs = protocols.pairs_of(tables.read_parquet(inputs.pairs), params.protocols)
    known = face_table.known(tables.read_parquets(inputs.faces))
    eyes = instruments.of_job(snakemake, *inputs.faces)
    judge = scores.Judge(known, images.read_image, eyes)
    table = judge.score(
        pairs,
        found_results.finders(params.methods, inputs.frames, frames=params.frames),
        passes=params.passes,
        steps=tables.read_optional(inputs.steps),
        progress=runtime.Progress(log, "evaluation", results.count(params.methods, pairs, params.passes)),
    )
    facts = provenance.provenance(stage="evaluation", method=params.method, **eyes.facts)
    tables.write_parquet(table, snakemake.output.scores, metadata=facts)
    log.info("evaluation method=%s %s", params.method, scores.counts(table))


if __name__ == "__main__":
    main(snakemake)
