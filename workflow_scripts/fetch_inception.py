"""Fetch the Inception weights, or note why there are none; nothing but FID, KID and IS depends on them."""

from d2a_core import runtime
from d2a_core.evaluation import inception
from d2a_core.faces import identity
from d2a_core.store import texts


def main(snakemake):
    log = runtime.start(snakemake)
    found = inception.obtain(snakemake.params.inception, identity.DOWNLOADS, identity.TIMEOUT_S)
    record = inception.record(found)
    texts.write_json(record, snakemake.output.record)
    log.info("evaluation inception %s", runtime.figures_line(record))


if __name__ == "__main__":
    main(snakemake)
