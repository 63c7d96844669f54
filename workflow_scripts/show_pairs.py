"""Show the first held-out pairs beside what became of them."""

from d2a_core import runtime
from d2a_core.evaluation import externals, protocols, summary
from d2a_core.media import images
from d2a_core.store import tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, passes = snakemake.input, snakemake.params.passes
    pairs = protocols.rows_of(tables.read_parquet(inputs.pairs), [protocols.CROSS])
    find = externals.finder(inputs.frames, frames=snakemake.params.frames)
    images.write_image(summary.sheet(pairs, images.read_image, find, passes=passes), snakemake.output.sheet)
    log.info("evaluation pairs=%d", len(pairs))


if __name__ == "__main__":
    main(snakemake)
