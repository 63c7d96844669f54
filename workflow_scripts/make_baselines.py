"""Write what wrong methods would return for every pair."""

from d2a_core import runtime
from d2a_core.evaluation import baselines, protocols, results
from d2a_core.store import tables


def main(snakemake):
    log = runtime.start(snakemake)
    inputs, params = snakemake.input, snakemake.params
    pairs = protocols.pairs_of(tables.read_parquet(inputs.pairs), params.protocols)
    folders = dict(zip(params.methods, snakemake.output.frames, strict=True))
    pictures = results.count(params.methods, pairs, [protocols.NO_PASSES])
    baselines.keep(folders, pairs, runtime.Progress(log, "evaluation", pictures))


if __name__ == "__main__":
    main(snakemake)
