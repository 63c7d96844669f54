"""Bring a StyleGAN2 checkpoint of any kind into the one form that all stages load."""

from d2a_core import runtime
from d2a_core.generator import foreign_checkpoints
from d2a_core.store import lineage


def main(snakemake):
    log = runtime.start(snakemake)
    identity = lineage.Identity(snakemake.params.name, snakemake.params.generator_sha256)
    source, model = snakemake.input.checkpoint, snakemake.output.model
    shape = foreign_checkpoints.convert_as(source, model, identity, log=log)
    log.info("generator name=%s resolution=%d synthesis=%s", identity, shape.resolution, shape.synthesis)


if __name__ == "__main__":
    main(snakemake)
