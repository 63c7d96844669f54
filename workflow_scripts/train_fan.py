"""Train the facial action network of one group."""

from d2a_core import runtime, training
from d2a_core.directions import directions
from d2a_core.fan import fan
from d2a_core.media import trained
from d2a_core.store import arrays, lineage, provenance, texts, weights


def main(snakemake):
    log = runtime.start(snakemake)
    options = fan.Options(**snakemake.params.fan)
    device = runtime.device(snakemake.resources)
    faces = fan.faces(arrays.read_each(snakemake.input.pairs, fan.PAIR_ARRAYS))
    vector = directions.basis(arrays.read_zarr(snakemake.input.directions), snakemake.wildcards.group)
    facts = provenance.provenance(
        stage="fan",
        options=options,
        core=snakemake.params.core,
        pairs=list(map(texts.sha256, snakemake.input.pairs)),
        directions=arrays.zarr_attributes(snakemake.input.directions),
        **lineage.shared([snakemake.input.directions, *snakemake.input.pairs]),
    )
    kept = weights.ResumeFile("results/.state/train_fan", facts)
    pairs, validation = fan.split(faces, options)
    run = fan.start(faces, pairs, vector, options, device=device)
    task = fan.task(run.network, faces, pairs, validation, options, device=device)
    training.run(run, task, options, resume=kept.read(), save=kept.write, log=log)
    trained.keep(run, facts, snakemake.output, kept, **fan.CHART)


if __name__ == "__main__":
    main(snakemake)
