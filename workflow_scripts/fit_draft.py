"""Fit the readout of the generator's drafts."""

from d2a_core import runtime
from d2a_core.generator import drafts, generator
from d2a_core.store import arrays, provenance


def main(snakemake):
    log = runtime.start(snakemake)
    options = generator.Options(**snakemake.params.generator)
    network = generator.of_job(snakemake)
    draft = drafts.fit(
        network,
        size=options.draft_size,
        progress=runtime.Progress(log, "generator", drafts.RENDERS),
    )
    facts = provenance.provenance(stage="generator", options=options, **network.identity.facts)
    arrays.write_zarr(snakemake.output.draft, drafts.to_arrays(draft), attributes=facts)


if __name__ == "__main__":
    main(snakemake)
