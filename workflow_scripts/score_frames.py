"""Score the pictures of one method, pair by pair."""

from d2a_core import detectors, embedders, externals, io, landmarks, protocols, runtime, scores


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    options = landmarks.Options(**params.landmarks)
    pairs = protocols.rows_of(io.read_parquet(inputs.pairs), params.protocols)
    embedder = embedders.choose(params.identity, inputs.identity, threads=snakemake.threads)
    table = scores.score_method(
        pairs,
        scores.known(io.read_parquets(inputs.faces)),
        externals.finder(inputs.frames, frames=params.frames),
        io.read_image,
        detectors.load_detector(options, inputs.models, **runtime.hardware(snakemake)),
        embedder,
        method=params.method,
        passes=params.passes,
        steps=io.read_optional(inputs.steps),
        progress=runtime.Progress(log, "evaluation", scores.pictures_of(pairs, params.passes)),
    )
    facts = io.provenance(
        stage="evaluation", method=params.method, identity=embedder.name, detector=options.detector
    )
    io.write_parquet(table, snakemake.output.scores, metadata=facts)
    log.info("evaluation method=%s %s", params.method, scores.counts(table))


if __name__ == "__main__":
    main(snakemake)
