"""Train the consultation networks of HFGI on the generator's own faces."""

from d2a_core import runtime, training
from d2a_core.generator import generator
from d2a_core.inversion import encoder, hfgi
from d2a_core.inversion.encoder_network import Trunk
from d2a_core.media import trained
from d2a_core.store import provenance, texts, weights


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    options = hfgi.Options(**snakemake.params.hfgi)
    network = generator.of_job(snakemake, snakemake.input.encoder)
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
    task = hfgi.task(run.network, network, faces, options)
    training.run(run, task, options, resume=kept.read(), save=kept.write, log=log)
    trained.keep(run, facts, snakemake.output, kept, title="HFGI", loss="image loss")


if __name__ == "__main__":
    main(snakemake)
