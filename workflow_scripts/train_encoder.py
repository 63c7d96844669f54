"""Train the encoder on the sampled faces."""

from d2a_core import runtime, training
from d2a_core.inversion import encoder
from d2a_core.inversion.encoder_network import Trunk
from d2a_core.media import trained
from d2a_core.store import arrays, lineage, provenance, texts, weights


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    options = encoder.Options(**snakemake.params.encoder)
    device = runtime.device(snakemake.resources)
    trunk = Trunk(snakemake.input.models, threads=snakemake.threads)
    w = arrays.read_zarrs(snakemake.input.latents, ["w"])["w"]
    faces = encoder.faces(
        arrays.read_rows(snakemake.input.latents, "image", encoder.CHUNK),
        w,
        trunk,
        views=options.views,
        seed=options.seed,
        progress=runtime.Progress(log, "maps", len(w)),
    )
    facts = provenance.provenance(
        stage="encoder",
        options=options,
        core=snakemake.params.core,
        models_sha256=texts.sha256(snakemake.input.models),
        latents=list(map(arrays.zarr_attributes, snakemake.input.latents)),
        **lineage.shared(snakemake.input.latents),
    )
    kept = weights.ResumeFile("results/.state/train_encoder", facts)
    run = encoder.start(faces, options, device=device)
    task = encoder.task(run.network, faces, options, device=device)
    training.run(run, task, options, resume=kept.read(), save=kept.write, log=log)
    trained.keep(run, facts, snakemake.output, kept, title="Encoder", loss="squared error of w")


if __name__ == "__main__":
    main(snakemake)
