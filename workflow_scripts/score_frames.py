"""Score the pictures of one method, pair by pair."""

from d2a_core import runtime
from d2a_core.evaluation import externals, face_table, protocols, scores
from d2a_core.faces import detectors, identity, landmarks
from d2a_core.media import images
from d2a_core.store import provenance, tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    options = landmarks.Options(**params.landmarks)
    pairs = protocols.rows_of(tables.read_parquet(inputs.pairs), params.protocols)
    embedder = identity.choose(params.identity, inputs.identity, threads=snakemake.threads)
    table = scores.score_method(
        pairs,
        face_table.known(tables.read_parquets(inputs.faces)),
        externals.finder(inputs.frames, frames=params.frames),
        images.read_image,
        detectors.load_detector(options, inputs.models, **runtime.hardware(snakemake)),
        embedder,
        method=params.method,
        passes=params.passes,
        steps=tables.read_optional(inputs.steps),
        progress=runtime.Progress(log, "evaluation", scores.pictures_of(pairs, params.passes)),
    )
    facts = provenance.provenance(
        stage="evaluation", method=params.method, identity=embedder.name, detector=options.detector
    )
    tables.write_parquet(table, snakemake.output.scores, metadata=facts)
    log.info("evaluation method=%s %s", params.method, scores.counts(table))


if __name__ == "__main__":
    main(snakemake)
