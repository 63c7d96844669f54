"""Train the facial action network of one group."""

from d2a_core import charts, directions, fan, io, lineage, runtime, training


def main(snakemake):
    log = runtime.start(snakemake)
    options = fan.Options(**snakemake.params.fan)
    device = runtime.device(snakemake.resources)
    faces = fan.faces(io.read_each(snakemake.input.pairs, fan.PAIR_ARRAYS))
    vector = directions.basis(io.read_zarr(snakemake.input.directions), snakemake.wildcards.group)
    facts = io.provenance(
        stage="fan",
        options=options,
        core=snakemake.params.core,
        pairs=list(map(io.sha256, snakemake.input.pairs)),
        directions=io.zarr_attributes(snakemake.input.directions),
        **lineage.shared([snakemake.input.directions, *snakemake.input.pairs]).facts,
    )
    kept = io.ResumeFile("results/.state/train_fan", facts)
    pairs, validation = fan.split(faces, options)
    run = fan.start(faces, pairs, vector, options, device=device)
    keep = {"resume": kept.read(), "save": kept.write}
    fan.train(run, faces, pairs, validation, options, device=device, log=log, **keep)
    history = training.history_columns(run)
    io.write_parquet(history, snakemake.output.history, metadata=facts)
    io.write_image(charts.loss_curve(history, **fan.CHART), snakemake.output.curve)
    io.write_checkpoint(training.checkpoint(run, facts), snakemake.output.checkpoint)
    kept.clear()


if __name__ == "__main__":
    main(snakemake)
