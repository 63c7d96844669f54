"""Fetch the Inception weights, or note why there are none; nothing but FID, KID and IS depends on them."""

from d2a_core import runtime
from d2a_core.store import optional_weights, texts


def main(snakemake):
    log = runtime.start(snakemake)
    record = optional_weights.record(optional_weights.obtain("inception", snakemake.params.inception))
    texts.write_json(record, snakemake.output.record)
    log.info("evaluation inception %s", runtime.figures_line(record))


if __name__ == "__main__":
    main(snakemake)
