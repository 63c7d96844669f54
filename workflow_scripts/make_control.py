"""Write what a wrong method would return for every pair."""

from functools import partial

from d2a_core import runtime
from d2a_core.evaluation import baselines, protocols, results
from d2a_core.media import images
from d2a_core.store import tables


def main(snakemake):
    log = runtime.start(snakemake)
    kind = snakemake.params.kind
    pairs = protocols.rows_of(tables.read_parquet(snakemake.input.pairs), [protocols.CROSS])
    progress = runtime.Progress(log, "evaluation", len(pairs))
    wrong = (baselines.control_result(kind, pair, images.read_image) for pair in progress.over(pairs))
    results.keep(wrong, partial(images.keep_images, folder=snakemake.output.frames))
    log.info("evaluation control=%s pairs=%d", kind, len(pairs))


if __name__ == "__main__":
    main(snakemake)
