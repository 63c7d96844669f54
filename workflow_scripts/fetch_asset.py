"""Fetch the model files of one asset."""

from pathlib import Path

from d2a_core import runtime
from d2a_core.store import assets


def main(snakemake):
    """Fill the output folder with the files of `params.asset`."""
    log = runtime.start_log(snakemake.log[0])
    assets.fetch(assets.named(snakemake.params.asset), Path(snakemake.output[0]), log=log)


if __name__ == "__main__":
    main(snakemake)
