"""Train the consultation networks of HFGI on the generator's own faces."""

from d2a_core import runtime, training
from d2a_core.generator import generator
from d2a_core.inversion import encoder, hfgi
from d2a_core.inversion.encoder_network import Trunk
from d2a_core.media import charts, images
from d2a_core.store import lineage, provenance, tables, texts, weights


def main(snakemake):
    log = runtime.start(snakemake)
    options = hfgi.Options(**snakemake.params.hfgi)
    network = generator.load(
        generator.Options(**snakemake.params.generator),
        snakemake.input.generator,
        draft=snakemake.input.draft,
        **runtime.engine(snakemake),
    )
    lineage.check(network.identity, snakemake.input.encoder)
    faces = hfgi.faces(
        network,
        encoder.load(weights.read_checkpoint(snakemake.input.encoder), device=network.device),
        Trunk(snakemake.input.models, threads=snakemake.threads),
        count=options.faces,
        seed=options.seed,
        progress=runtime.Progress(log, "faces", options.faces),
    )
    facts = provenance.provenance(
        stage="hfgi",
        options=options,
        core=snakemake.params.core,
        encoder_sha256=texts.sha256(snakemake.input.encoder),
        **network.identity.facts,
    )
    kept = weights.ResumeFile("results/.state/train_hfgi", facts)
    run = hfgi.start(network, faces, options)
    hfgi.train(run, network, faces, options, resume=kept.read(), save=kept.write, log=log)
    history = training.history_columns(run)
    tables.write_parquet(history, snakemake.output.history, metadata=facts)
    curve = charts.loss_curve(history, title="HFGI", loss="image loss")
    images.write_image(curve, snakemake.output.curve)
    weights.write_checkpoint(training.checkpoint(run, facts), snakemake.output.checkpoint)
    kept.clear()


if __name__ == "__main__":
    main(snakemake)
