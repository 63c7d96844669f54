"""Fine-tune the facial action network on one source."""

from d2a_core import runtime, training
from d2a_core.faces import dlib_identity
from d2a_core.fan import closed_loop, fan, finetuning
from d2a_core.media import trained
from d2a_core.store import arrays, provenance, tables, texts, weights


def main(snakemake):
    log = runtime.start(snakemake, least=2)
    inputs, device = snakemake.input, runtime.device(snakemake.resources)
    training_options = fan.Options(**snakemake.params.fan)
    options = finetuning.Options(**snakemake.params.finetune)
    animator = closed_loop.of_job(snakemake)
    code = arrays.read_zarr(inputs.code, ["wplus"])["wplus"]
    points = tables.points_array(tables.read_parquet(inputs.landmarks))
    directions = arrays.read_zarr(inputs.directions)
    progress = runtime.Progress(log, "fan", options.drawn)
    draws = {"group": snakemake.wildcards.group, "seed": training_options.seed}
    faces = finetuning.around(animator, code, points, directions, options, **draws, progress=progress)
    facts = provenance.provenance(
        stage="fan",
        options=training_options,
        finetune=options,
        core=snakemake.params.core,
        base_sha256=texts.sha256(inputs.fan),
        source=arrays.zarr_attributes(inputs.code),
        detector=animator.detector.name,
        **animator.facts,
    )
    kept = weights.ResumeFile("results/.state/finetune_fan", facts)
    base = fan.load(weights.read_checkpoint(inputs.fan), device=device)
    keep = {"resume": kept.read(), "save": kept.write}
    run = finetuning.tune(base, faces, training_options, options, device=device, log=log, **keep)
    tuned = fan.load(training.checkpoint(run, facts), device=device)
    rows = finetuning.compare(
        animator, tuned, code, faces, dlib_identity.DlibEmbedder(inputs.identity), options
    )
    log.info("fan %s", finetuning.summary(rows))
    tables.write_parquet(rows, snakemake.output.comparison, metadata=facts)
    trained.keep(run, facts, snakemake.output, kept, **fan.CHART)


if __name__ == "__main__":
    main(snakemake)
