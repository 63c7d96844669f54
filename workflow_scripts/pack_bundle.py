"""Pack what the training stages have distilled into one small file."""

from d2a_core import runtime
from d2a_core.fan import bundle
from d2a_core.store import lineage, provenance, texts


def main(snakemake):
    log = runtime.start(snakemake)
    parts = dict(snakemake.input.items())
    facts = provenance.provenance(
        stage="bundle", config=snakemake.params.config, **lineage.shared([snakemake.input.fan])
    )
    bundle.write(bundle.gather(parts), snakemake.output.bundle, facts)
    texts.write_json(snakemake.params.defaults, snakemake.output.defaults)
    log.info("bundle written=%s", snakemake.output.bundle)


if __name__ == "__main__":
    main(snakemake)
