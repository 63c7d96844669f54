"""Show the first held-out pairs beside what became of them."""

from d2a_core import runtime
from d2a_core.evaluation import found_results, pair_sheet, protocols
from d2a_core.media import images
from d2a_core.store import tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, passes = snakemake.input, snakemake.params.passes
    pairs = protocols.pairs_of(tables.read_parquet(inputs.pairs), [protocols.CROSS])
    find = found_results.finder(inputs.frames, frames=snakemake.params.frames)
    images.write_image(
        pair_sheet.sheet(pairs, images.read_image, find, passes=passes), snakemake.output.sheet
    )
    log.info("evaluation pairs=%d", len(pairs))


if __name__ == "__main__":
    main(snakemake)
