"""Write what a wrong method would return for every pair."""

from functools import partial

from d2a_core import io, protocols, results, runtime


def main(snakemake):
    log = runtime.start(snakemake)
    kind = snakemake.params.kind
    pairs = protocols.rows_of(io.read_parquet(snakemake.input.pairs), [protocols.CROSS])
    progress = runtime.Progress(log, "evaluation", len(pairs))
    wrong = (results.control_result(kind, pair, io.read_image) for pair in progress.over(pairs))
    results.keep(wrong, partial(io.keep_images, folder=snakemake.output.frames))
    log.info("evaluation control=%s pairs=%d", kind, len(pairs))


if __name__ == "__main__":
    main(snakemake)
