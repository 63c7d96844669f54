"""Let the sources of all pairs take on the faces of their targets, after each closed-loop pass."""

from d2a_core import animations, evaluation, fan, io, protocols, runtime, scores


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    models = params.generator, params.landmarks
    stage = animations.load_stage(*models, inputs, **runtime.engine(snakemake))
    device = runtime.device(snakemake.resources)
    pairs = protocols.rows_of(io.read_parquet(inputs.pairs), params.protocols)
    passes = params.passes
    results = evaluation.animate(
        stage,
        [fan.load(io.read_checkpoint(path), device=device) for path in [inputs.fan, *inputs.others]],
        pairs,
        {name: io.read_zarr(path) for name, path in zip(params.sets, inputs.codes, strict=True)},
        scores.known(io.read_parquets(inputs.faces)),
        passes=passes,
        progress=runtime.Progress(log, "evaluation", len(pairs) * (passes + 1)),
    )
    rows = evaluation.keep(results, lambda images: io.keep_images(images, snakemake.output.frames))
    facts = io.provenance(
        stage="evaluation",
        method=params.method,
        fan_sha256=io.sha256(inputs.fan),
        **stage.generator.identity.facts,
    )
    io.write_parquet(rows, snakemake.output.steps, metadata=facts)


if __name__ == "__main__":
    main(snakemake)
