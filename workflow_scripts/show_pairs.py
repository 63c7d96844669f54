"""Show the first held-out pairs beside what became of them."""

from d2a_core import evaluation, externals, io, protocols, runtime


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, passes = snakemake.input, snakemake.params.passes
    pairs = protocols.rows_of(io.read_parquet(inputs.pairs), [protocols.CROSS])
    find = externals.finder(inputs.frames, frames=snakemake.params.frames)
    io.write_image(evaluation.sheet(pairs, io.read_image, find, passes=passes), snakemake.output.sheet)
    log.info("evaluation pairs=%d", len(pairs))


if __name__ == "__main__":
    main(snakemake)
